//! What a directory's own fields can aim at: the objects below it.

use std::collections::BTreeMap;

use super::dice::Dice;
use super::objects::Y;

/// An object that was made, as its file has it.
#[derive(Clone, Debug)]
pub struct Made {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub name: String,
    pub namespace: Option<String>,
    pub yaml: Y,
    /// It comes in through more than one overlay.
    pub is_twice: bool,
    /// A patch has changed it: its fields are not known any more.
    pub is_changed: bool,
}

/// The objects of a directory and of its bases.
#[derive(Clone, Default)]
pub struct Scope {
    pub objects: Vec<Made>,
    /// Names of generated ConfigMaps and Secrets, by field.
    pub generated: BTreeMap<&'static str, Vec<String>>,
}

impl Scope {
    /// Takes in what a base shows.
    pub fn take_in(&mut self, below: Scope, is_twice: bool) {
        let marked = below
            .objects
            .into_iter()
            .map(|made| Made { is_twice: is_twice || made.is_twice, ..made });
        self.objects.extend(marked);
        if !is_twice {
            for (field, names) in below.generated {
                self.generated.entry(field).or_default().extend(names);
            }
        }
    }

    /// Where an object stands that `fits`.
    pub fn find(&self, dice: &mut Dice, fits: impl Fn(&Made) -> bool) -> Option<usize> {
        let places: Vec<usize> =
            (0..self.objects.len()).filter(|i| fits(&self.objects[*i])).collect();
        (!places.is_empty()).then(|| *dice.pick(&places))
    }

    /// Objects of the same kind as the one at `at`, and it.
    pub fn of_kind(&self, kind: &str) -> usize {
        self.objects.iter().filter(|made| made.kind == kind).count()
    }
}
