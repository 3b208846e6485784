//! Something for each connection, beside the slab, that is not always kept.
//!
//! It grows by pages and never moves: what is copied into a larger block leaves a hole as large as
//! itself, which at 20,000 connections was half as much again.

use crate::relay::ids::Slot;

/// Values by slot. Those that were never set are the default.
#[derive(Debug)]
pub(super) struct BySlot<T> {
    pages: Vec<Box<[T]>>,
}

/// Values of a page.
const PAGE: usize = 1024;

impl<T> Default for BySlot<T> {
    fn default() -> Self {
        BySlot { pages: Vec::new() }
    }
}

impl<T: Copy + Default> BySlot<T> {
    /// The value of a slot, if it has a place.
    pub(super) fn get(&self, slot: Slot) -> Option<&T> {
        let slot = slot.index();
        self.pages.get(slot / PAGE).map(|page| &page[slot % PAGE])
    }

    /// The value of a slot, to change it, if it has a place.
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let slot = slot.index();
        let page = self.pages.get_mut(slot / PAGE)?;
        Some(&mut page[slot % PAGE])
    }

    /// The value of a slot, which gets a place if it has none.
    pub(super) fn place(&mut self, slot: Slot) -> &mut T {
        let slot = slot.index();
        while self.pages.len() <= slot / PAGE {
            self.pages.push(vec![T::default(); PAGE].into());
        }
        &mut self.pages[slot / PAGE][slot % PAGE]
    }

    /// Forgets all, and gives the memory back.
    pub(super) fn clear(&mut self) {
        self.pages = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_has_a_place_once_it_was_asked_for() {
        let mut values = BySlot::<u8>::default();
        assert_eq!(values.get(Slot(0)), None);
        assert_eq!(values.get_mut(Slot(5000)), None);
        *values.place(Slot(5000)) = 7;
        assert_eq!(
            (values.get(Slot(5000)), values.get(Slot(4999))),
            (Some(&7), Some(&0))
        );
        assert_eq!(values.get(Slot(6000)), None);
        values.clear();
        assert_eq!(values.get(Slot(5000)), None);
    }
}
