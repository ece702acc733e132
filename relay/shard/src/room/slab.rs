//! Values in numbered places: a place stays the same until its value is removed.

/// A vector with holes, which are filled again.
pub(super) struct Slab<T> {
    places: Vec<Option<T>>,
    holes: Vec<usize>,
}

impl<T> Slab<T> {
    pub(super) fn new() -> Self {
        Self { places: Vec::new(), holes: Vec::new() }
    }

    pub(super) fn insert(&mut self, value: T) -> usize {
        let Some(hole) = self.holes.pop() else {
            self.places.push(Some(value));
            return self.places.len() - 1;
        };
        self.places[hole] = Some(value);

        hole
    }

    pub(super) fn remove(&mut self, place: usize) -> Option<T> {
        let value = self.places.get_mut(place)?.take()?;
        self.holes.push(place);

        Some(value)
    }

    pub(super) fn get(&self, place: usize) -> Option<&T> {
        self.places.get(place)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.places.get_mut(place)?.as_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.holes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many places there are, holes included.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.places.iter().enumerate().filter_map(|(place, value)| Some((place, value.as_ref()?)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut T)> {
        self.places
            .iter_mut()
            .enumerate()
            .filter_map(|(place, value)| Some((place, value.as_mut()?)))
    }
}
