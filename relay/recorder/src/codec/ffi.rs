//! Debian's libvpx and libopus, as far as they are needed, and one option of OpenH264: everything
//! unsafe.

use super::CodecError;
use super::opus::{CHANNELS, FRAME, RATE_HZ};
use openh264::encoder::Encoder;
use relay_wire::control::Codec;
use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use std::ptr::{self, NonNull};

/// `VPX_DECODER_ABI_VERSION`: libvpx compares it, and refuses a program that was written for
/// structures of another shape. The same from libvpx 1.8 on.
const VPX_ABI: c_int = 12;
/// `VPX_IMG_FMT_I420`.
const VPX_I420: c_int = 0x102;
const OPUS_APPLICATION_AUDIO: c_int = 2049;
const OPUS_SET_BITRATE: c_int = 4002;
const OPUS_GET_LOOKAHEAD: c_int = 4027;
/// `ENCODER_OPTION_TRACE_LEVEL`, and `WELS_LOG_QUIET`.
const H264_TRACE_LEVEL: c_int = 25;
const H264_QUIET: c_int = 0;
const VPX: &str = "libvpx";
const OPUS: &str = "libopus";

/// `vpx_codec_ctx_t`.
#[repr(C)]
struct VpxContext {
    name: *const c_char,
    iface: *const c_void,
    error: c_int,
    error_detail: *const c_char,
    flags: c_long,
    config: *const c_void,
    private: *mut c_void,
}

/// `vpx_codec_dec_cfg_t`.
#[repr(C)]
struct VpxConfig {
    threads: c_uint,
    width: c_uint,
    height: c_uint,
}

/// `vpx_image_t` up to what is read of it.
#[repr(C)]
struct VpxImage {
    format: c_int,
    colour_space: c_int,
    range: c_int,
    stored: [c_uint; 2],
    bit_depth: c_uint,
    shown: [c_uint; 2],
    rendered: [c_uint; 2],
    chroma_shift: [c_uint; 2],
    planes: [*const u8; 4],
    strides: [c_int; 4],
}

#[link(name = "vpx")]
unsafe extern "C" {
    fn vpx_codec_vp8_dx() -> *const c_void;
    fn vpx_codec_vp9_dx() -> *const c_void;
    fn vpx_codec_dec_init_ver(
        context: *mut VpxContext,
        iface: *const c_void,
        config: *const VpxConfig,
        flags: c_long,
        version: c_int,
    ) -> c_int;
    fn vpx_codec_decode(
        context: *mut VpxContext,
        data: *const u8,
        len: c_uint,
        user: *mut c_void,
        deadline: c_long,
    ) -> c_int;
    fn vpx_codec_get_frame(
        context: *mut VpxContext,
        iterator: *mut *const c_void,
    ) -> *const VpxImage;
    fn vpx_codec_destroy(context: *mut VpxContext) -> c_int;
    fn vpx_codec_err_to_string(error: c_int) -> *const c_char;
}

#[link(name = "opus")]
unsafe extern "C" {
    fn opus_decoder_create(rate: i32, channels: c_int, error: *mut c_int) -> *mut c_void;
    fn opus_decoder_destroy(decoder: *mut c_void);
    fn opus_decode_float(
        decoder: *mut c_void,
        data: *const u8,
        len: i32,
        pcm: *mut f32,
        samples: c_int,
        fec: c_int,
    ) -> c_int;
    fn opus_packet_get_nb_samples(packet: *const u8, len: i32, rate: i32) -> c_int;
    fn opus_encoder_create(
        rate: i32,
        channels: c_int,
        application: c_int,
        error: *mut c_int,
    ) -> *mut c_void;
    fn opus_encoder_destroy(encoder: *mut c_void);
    fn opus_encoder_ctl(encoder: *mut c_void, request: c_int, ...) -> c_int;
    fn opus_encode_float(
        encoder: *mut c_void,
        pcm: *const f32,
        samples: c_int,
        data: *mut u8,
        max: i32,
    ) -> i32;
    fn opus_strerror(error: c_int) -> *const c_char;
}

/// Planes of a picture with their strides, width, height.
type Planes<'a> = [(&'a [u8], usize); 3];

/// A decoder of VP8 or VP9 on one thread.
pub(super) struct Vpx(Box<VpxContext>);

// SAFETY: a context belongs to no thread; it is used by one at a time, since `decode` borrows it
// mutably, and with `threads: 1` libvpx starts none of its own.
unsafe impl Send for Vpx {}

impl Vpx {
    pub(super) fn new(codec: Codec) -> Result<Self, CodecError> {
        // SAFETY: both return the address of a constant table, and have no arguments.
        let iface = unsafe {
            match codec {
                Codec::Vp8 => vpx_codec_vp8_dx(),
                Codec::Vp9 => vpx_codec_vp9_dx(),
                Codec::H264 | Codec::Av1 | Codec::Opus => {
                    return Err(CodecError::Unsupported(codec));
                }
            }
        };
        let config = VpxConfig { threads: 1, width: 0, height: 0 };
        // On the heap: libvpx keeps addresses within it.
        let mut context = Box::new(VpxContext {
            name: ptr::null(),
            iface: ptr::null(),
            error: 0,
            error_detail: ptr::null(),
            flags: 0,
            config: ptr::null(),
            private: ptr::null_mut(),
        });
        // SAFETY: context and configuration have the shape that `VPX_ABI` names, which libvpx
        // checks; it copies the configuration.
        let error =
            unsafe { vpx_codec_dec_init_ver(&raw mut *context, iface, &config, 0, VPX_ABI) };
        vpx_result(error)?;

        Ok(Self(context))
    }

    /// Decodes a frame and shows the last picture that came out, if one did.
    pub(super) fn decode(
        &mut self,
        data: &[u8],
        show: impl FnOnce(Planes<'_>, usize, usize) -> Result<(), CodecError>,
    ) -> Result<bool, CodecError> {
        let context = &raw mut *self.0;
        let len = data.len() as c_uint;
        // SAFETY: the context was initialised; `data` is `len` bytes that are only read meanwhile.
        vpx_result(unsafe { vpx_codec_decode(context, data.as_ptr(), len, ptr::null_mut(), 0) })?;
        let (mut iterator, mut last) = (ptr::null(), None);
        // SAFETY: the context was initialised; the iterator starts at null, and is libvpx' own.
        let mut next = || unsafe { vpx_codec_get_frame(context, &mut iterator) };
        while let Some(image) = NonNull::new(next().cast_mut()) {
            last = Some(image);
        }
        let Some(image) = last else { return Ok(false) };
        // SAFETY: what `vpx_codec_get_frame` returns holds until the next call of the decoder,
        // which the mutable borrow of `self` keeps away.
        let image = unsafe { image.as_ref() };
        if image.format != VPX_I420 || image.bit_depth != 8 {
            return Err(library(VPX, "not 4:2:0 of 8 bits".into()));
        }
        let [width, height] = image.shown.map(|side| side as usize);
        show(planes(image).ok_or_else(|| library(VPX, "no planes".into()))?, width, height)?;

        Ok(true)
    }
}

impl Drop for Vpx {
    fn drop(&mut self) {
        // SAFETY: it was initialised, and is not used any more.
        unsafe { vpx_codec_destroy(&raw mut *self.0) };
    }
}

fn planes(image: &VpxImage) -> Option<Planes<'_>> {
    let [width, height] = image.shown.map(|side| side as usize);
    let plane = |at: usize| {
        let stride = usize::try_from(image.strides[at]).ok()?;
        let (width, rows) =
            if at == 0 { (width, height) } else { (width.div_ceil(2), height.div_ceil(2)) };
        let len = rows.checked_sub(1)?.checked_mul(stride)?.checked_add(width)?;
        let start = NonNull::new(image.planes[at].cast_mut())?;

        // SAFETY: libvpx holds `rows` rows, `stride` bytes apart, of which the last has `width`
        // bytes; they stay while the image is borrowed.
        Some((unsafe { std::slice::from_raw_parts(start.as_ptr(), len) }, stride))
    };

    Some([plane(0)?, plane(1)?, plane(2)?])
}

/// A decoder of Opus.
pub(super) struct OpusDecoder(NonNull<c_void>);

// SAFETY: libopus' state belongs to no thread, and is used through mutable borrows only.
unsafe impl Send for OpusDecoder {}

impl OpusDecoder {
    pub(super) fn new() -> Result<Self, CodecError> {
        let mut error = 0;
        // SAFETY: returns null, or a state that is ours.
        let state = unsafe { opus_decoder_create(RATE_HZ as i32, CHANNELS as c_int, &mut error) };

        NonNull::new(state).map(Self).ok_or_else(|| opus_error(error))
    }

    /// Decodes a packet, or makes up for one, into `pcm`; returns samples of a channel. What is
    /// made up, by `fec` or without data, fills `pcm`, which is then a multiple of 2.5 ms.
    pub(super) fn decode(
        &mut self,
        data: Option<&[u8]>,
        pcm: &mut [f32],
        fec: bool,
    ) -> Result<usize, CodecError> {
        let samples = (pcm.len() / CHANNELS) as c_int;
        let (start, len) = match data {
            // Without bytes libopus would conceal a loss, which this is not.
            Some([]) => return Err(CodecError::Malformed(Codec::Opus)),
            Some(data) => (data.as_ptr(), data.len() as i32),
            None => (ptr::null(), 0),
        };
        // SAFETY: the state was created; `len` bytes are read, and at most `samples` samples of
        // each of `CHANNELS` channels written, which is what `pcm` has room for.
        let decoded = unsafe {
            let state = self.0.as_ptr();
            opus_decode_float(state, start, len, pcm.as_mut_ptr(), samples, c_int::from(fec))
        };

        usize::try_from(decoded).map_err(|_| opus_error(decoded))
    }
}

impl Drop for OpusDecoder {
    fn drop(&mut self) {
        // SAFETY: it was created, and is not used any more.
        unsafe { opus_decoder_destroy(self.0.as_ptr()) };
    }
}

/// Samples of a channel in a packet.
pub(super) fn opus_samples(packet: &[u8]) -> Option<usize> {
    if packet.is_empty() {
        return None;
    }
    // SAFETY: reads at most that many bytes.
    let samples =
        unsafe { opus_packet_get_nb_samples(packet.as_ptr(), packet.len() as i32, RATE_HZ as i32) };

    usize::try_from(samples).ok()
}

/// An encoder of Opus.
pub(super) struct OpusEncoder(NonNull<c_void>);

// SAFETY: as of `OpusDecoder`.
unsafe impl Send for OpusEncoder {}

impl OpusEncoder {
    pub(super) fn new(bitrate_bps: u32) -> Result<Self, CodecError> {
        let (mut error, channels) = (0, CHANNELS as c_int);
        // SAFETY: returns null, or a state that is ours.
        let state = unsafe {
            opus_encoder_create(RATE_HZ as i32, channels, OPUS_APPLICATION_AUDIO, &mut error)
        };
        let encoder = NonNull::new(state).map(Self).ok_or_else(|| opus_error(error))?;
        // SAFETY: this request takes one `opus_int32`.
        let set =
            unsafe { opus_encoder_ctl(encoder.0.as_ptr(), OPUS_SET_BITRATE, bitrate_bps as c_int) };

        if set < 0 { Err(opus_error(set)) } else { Ok(encoder) }
    }

    pub(super) fn lookahead(&mut self) -> Result<u16, CodecError> {
        let mut samples: i32 = 0;
        // SAFETY: this request takes the address of one `opus_int32`.
        let told =
            unsafe { opus_encoder_ctl(self.0.as_ptr(), OPUS_GET_LOOKAHEAD, &raw mut samples) };

        u16::try_from(samples).ok().filter(|_| told >= 0).ok_or_else(|| opus_error(told))
    }

    /// Encodes 20 ms; returns the packet's length.
    pub(super) fn encode(
        &mut self,
        pcm: &[f32; CHANNELS * FRAME],
        packet: &mut [u8],
    ) -> Result<usize, CodecError> {
        let (samples, max) = (FRAME as c_int, packet.len() as i32);
        // SAFETY: the state was created; `FRAME` samples of each channel are read, and at most
        // `max` bytes written.
        let len = unsafe {
            let state = self.0.as_ptr();
            opus_encode_float(state, pcm.as_ptr(), samples, packet.as_mut_ptr(), max)
        };

        usize::try_from(len).map_err(|_| opus_error(len))
    }
}

impl Drop for OpusEncoder {
    fn drop(&mut self) {
        // SAFETY: it was created, and is not used any more.
        unsafe { opus_encoder_destroy(self.0.as_ptr()) };
    }
}

/// Keeps an encoder that has not encoded yet from writing to the standard error.
pub(super) fn hush(encoder: &mut Encoder) {
    let mut level = H264_QUIET;
    // SAFETY: this option takes the address of one `int`, which is copied, and may be set before
    // the encoder is initialised; the wrapper relies on nothing about it.
    unsafe { encoder.raw_api().set_option(H264_TRACE_LEVEL, (&raw mut level).cast()) };
}

fn vpx_result(error: c_int) -> Result<(), CodecError> {
    if error == 0 {
        return Ok(());
    }
    // SAFETY: returns the address of a constant string for any number.
    let reason = unsafe { CStr::from_ptr(vpx_codec_err_to_string(error)) };

    Err(library(VPX, reason.to_string_lossy().into_owned()))
}

fn opus_error(error: c_int) -> CodecError {
    // SAFETY: returns the address of a constant string for any number.
    let reason = unsafe { CStr::from_ptr(opus_strerror(error)) };

    library(OPUS, reason.to_string_lossy().into_owned())
}

fn library(library: &'static str, reason: String) -> CodecError {
    CodecError::Library { library, reason }
}
