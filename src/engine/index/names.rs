//! Texts by number, and numbers by text.

use crate::model::fingerprint;

/// A set of different texts that never changes. Whoever is found by its fingerprint is compared.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The numbers of the texts plus one, at the place that the fingerprint says or behind it; zero is
    /// free. There are always free ones.
    slots: Box<[u32]>,
    spans: Box<[Span]>,
    texts: Box<str>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    fingerprint: u32,
    start: u32,
    end: u32,
}

impl Names {
    /// Numbers texts in their order; they have to be different.
    pub(super) fn new<'t>(names: impl IntoIterator<Item = &'t str>) -> Self {
        let mut texts = String::new();
        let mut spans = Vec::new();
        let position = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        for name in names {
            let start = position(texts.len());
            texts.push_str(name);
            spans.push(Span {
                fingerprint: fingerprint(name),
                start,
                end: position(texts.len()),
            });
        }
        if spans.is_empty() {
            return Self::default();
        }
        let mut slots = vec![0; (spans.len() * 2).next_power_of_two()].into_boxed_slice();
        for (number, span) in (1..).zip(&spans) {
            let places = places(span.fingerprint, slots.len());
            for place in places {
                if let Some(slot) = slots.get_mut(place)
                    && *slot == 0
                {
                    *slot = number;
                    break;
                }
            }
        }
        Self {
            slots,
            spans: spans.into(),
            texts: texts.into(),
        }
    }

    /// The number of a text.
    pub(super) fn find(&self, fingerprint: u32, text: &str) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        for place in places(fingerprint, self.slots.len()) {
            let number = self.slots.get(place)?.checked_sub(1)?;
            let span = self.spans.get(usize::try_from(number).ok()?)?;
            if span.fingerprint == fingerprint && self.text_of(span) == Some(text) {
                return Some(number);
            }
        }
        None
    }

    /// As [`find`](Self::find) for whoever has no fingerprint yet.
    pub(super) fn find_text(&self, text: &str) -> Option<u32> {
        self.find(fingerprint(text), text)
    }

    /// How much memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.slots) + size_of_val(&*self.spans) + self.texts.len()
    }

    fn text_of(&self, span: &Span) -> Option<&str> {
        let at = |position: u32| usize::try_from(position).ok();
        self.texts.get(at(span.start)?..at(span.end)?)
    }
}

/// The places of a table at which a text can stand; `length` is a power of two.
fn places(fingerprint: u32, length: usize) -> impl Iterator<Item = usize> {
    let mask = length - 1;
    let first = usize::try_from(fingerprint).unwrap_or_default() & mask;
    (0..length).map(move |step| (first + step) & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_has_its_number_and_no_other_text_has_one() {
        for count in [0_u32, 1, 2, 3, 7, 100, 5_000] {
            let texts: Vec<String> = (0..count).map(|n| format!("s3:action{n}")).collect();
            let names = Names::new(texts.iter().map(String::as_str));
            for (number, text) in (0..).zip(&texts) {
                assert_eq!(names.find_text(text), Some(number));
            }
            for other in ["", "s3:action", "s3:action-1"] {
                assert_eq!(names.find_text(other), None);
            }
        }
    }

    #[test]
    fn texts_with_equal_fingerprints_are_told_apart() {
        let texts = ["one", "two"];
        let mut names = Names::new(texts);
        for span in &mut names.spans {
            span.fingerprint = 7;
        }
        names.slots = Box::new([0, 0, 0, 0]);
        // Both begin at place 3, so the second stands behind the end, at the beginning.
        names.slots[3] = 1;
        names.slots[0] = 2;
        assert_eq!(names.find(7, "one"), Some(0));
        assert_eq!(names.find(7, "two"), Some(1));
        assert_eq!(names.find(7, "three"), None);
    }
}
