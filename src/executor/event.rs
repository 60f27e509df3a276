//! Events about units and sources, as the Flux controller that would have sent them writes them.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::actions::Action;
use crate::api::keys;
use crate::cluster::write::EventRecorder;
use crate::cluster::write::EventType;
use crate::cluster::write::ObjectEvent;
use crate::executor::Act;
use crate::executor::plain_effect;
use crate::executor::unanswered;
use crate::model::Effect;
use crate::model::EffectResult;
use crate::model::SOURCE_GROUP;
use crate::model::limits::EVENT_MESSAGE_BYTES_MAX;

impl Act<'_> {
    pub(super) async fn event(&self, action: &Action) -> Vec<Effect> {
        let Action::Event { object, topic, about, kind, reason, message, notes } = action else {
            return Vec::new();
        };
        let seen = self.executor.seen.get(object);
        let text = |pointer: &str| {
            let found = seen.as_deref().and_then(|seen| seen.pointer(pointer));
            found.and_then(Json::as_str).unwrap_or_default().to_owned()
        };
        let notes = notes.lines().filter_map(|line| line.split_once(' '));
        let mut annotations: BTreeMap<String, String> = notes
            .map(|(key, value)| (format!("{}/{key}", object.group), value.to_owned()))
            .collect();
        annotations.extend(seen.as_deref().into_iter().flat_map(event_metadata));
        let event = ObjectEvent {
            about: object.clone(),
            api_version: if object.group.is_empty() {
                "v1".to_owned()
            } else {
                text("/apiVersion")
            },
            uid: text("/metadata/uid"),
            resource_version: text("/metadata/resourceVersion"),
            type_: if kind == "Warning" { EventType::Warning } else { EventType::Normal },
            reason: reason.clone(),
            message: cut(message).to_owned(),
            annotations,
            controller: controller(&object.group).to_owned(),
            at: self.executor.clock.now(),
        };
        let sent = EventRecorder::record(&self.executor.events, &self.writer, &event).await;
        let done = || EffectResult::EventSent { topic: topic.clone(), about: about.clone() };
        let result = match sent {
            Ok(()) => done(),
            // An event that the server refuses is not worth a second try: the condition says it
            // too.
            Err(error) if error.status().is_some() => done(),
            Err(error) => unanswered(&error),
        };
        vec![plain_effect(object, result)]
    }
}

/// The annotations of a custom resource that its events carry on.
fn event_metadata(object: &Json) -> impl Iterator<Item = (String, String)> {
    let annotations = object.pointer("/metadata/annotations").and_then(Json::as_object);
    let meant = |(key, value): (&String, &Json)| {
        let text = value.as_str().filter(|_| key.starts_with(keys::EVENT_METADATA_PREFIX))?;
        Some((key.clone(), text.to_owned()))
    };
    annotations.into_iter().flatten().filter_map(meant)
}

fn controller(group: &str) -> &'static str {
    match group {
        SOURCE_GROUP => "source-controller",
        "" => "hence",
        _ => "kustomize-controller",
    }
}

fn cut(message: &str) -> &str {
    let mut end = message.len().min(EVENT_MESSAGE_BYTES_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}
