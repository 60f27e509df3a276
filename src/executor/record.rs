//! Records of ownership: kept in the journal and the facts, nothing is sent.

use crate::executor::effect;
use crate::model::Effect;
use crate::model::EffectResult;
use crate::model::ObjectRef;
use crate::model::UnitName;

pub(super) fn adopt(unit: &UnitName, object: &ObjectRef, uid: &str) -> Vec<Effect> {
    vec![effect(unit, object, EffectResult::Adopted { uid: uid.to_owned() })]
}

pub(super) fn forget(unit: &UnitName, object: &ObjectRef, word: &str) -> Vec<Effect> {
    vec![effect(unit, object, EffectResult::Forgotten { word: word.to_owned() })]
}
