//! Pictures in YUV 4:2:0 with 8 bits a sample, in limited range.

/// Luma of black.
const BLACK: u8 = 16;
/// Chroma of grey.
const NEUTRAL: u8 = 128;

/// One plane: rows of `width` bytes, without gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plane {
    width: usize,
    height: usize,
    bytes: Vec<u8>,
}

impl Plane {
    /// A plane of one value.
    pub fn new(width: usize, height: usize, value: u8) -> Self {
        Self { width, height, bytes: vec![value; width * height] }
    }

    /// Samples in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All rows, one after another.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All rows, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// One row.
    pub fn row_mut(&mut self, y: usize) -> &mut [u8] {
        &mut self.bytes[y * self.width..][..self.width]
    }

    /// Becomes a copy of rows that stand `stride` bytes apart; false, and nothing has changed, when
    /// there are not as many.
    pub fn copy_from(&mut self, rows: &[u8], stride: usize, width: usize, height: usize) -> bool {
        let whole = height.checked_sub(1).is_some_and(|rest| rest * stride + width <= rows.len());
        if !whole || width == 0 || stride < width {
            return false;
        }
        self.resize(width, height);
        for (to, from) in self.bytes.chunks_exact_mut(width).zip(rows.chunks(stride)) {
            to.copy_from_slice(&from[..width]);
        }

        true
    }

    /// Becomes this size; what it shows is not defined.
    pub fn resize(&mut self, width: usize, height: usize) {
        self.bytes.resize(width * height, 0);
        (self.width, self.height) = (width, height);
    }
}

/// A picture: luma, and two planes of chroma of half its width and height, rounded up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Y, U, V.
    pub planes: [Plane; 3],
}

impl Picture {
    /// A black picture.
    pub fn new(width: usize, height: usize) -> Self {
        let chroma = || Plane::new(width.div_ceil(2), height.div_ceil(2), NEUTRAL);

        Self { planes: [Plane::new(width, height, BLACK), chroma(), chroma()] }
    }

    /// Width in pixels; 0 of a picture that was never filled.
    pub fn width(&self) -> usize {
        self.planes[0].width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.planes[0].height
    }

    /// Becomes a copy of these planes; false, and not defined, when one is too short.
    pub(super) fn copy_from(
        &mut self,
        planes: [(&[u8], usize); 3],
        width: usize,
        height: usize,
    ) -> bool {
        let sizes = [(width, height), half(width, height), half(width, height)];
        let planes = self.planes.iter_mut().zip(planes).zip(sizes);
        let mut copied = planes.map(|((plane, (rows, stride)), (width, height))| {
            plane.copy_from(rows, stride, width, height)
        });

        copied.all(|copied| copied)
    }
}

fn half(width: usize, height: usize) -> (usize, usize) {
    (width.div_ceil(2), height.div_ceil(2))
}
