//! Cells of built-in kinds: what each column of `kubectl get` shows.
//!
//! In: an object and a column's name. Out: the cell. Columns of kinds that people rarely list show
//! `<unknown>`.
//!
//! Facts: Kubernetes `pkg/printers/internalversion`.

use serde_json::Value;
use serde_json::json;

use super::kinds::Kind;

/// One cell.
pub(crate) fn cell(kind: &Kind, object: &Value, column: &str) -> Value {
    let metadata = &object["metadata"];
    match column {
        "Name" => return metadata["name"].clone(),
        "Age" | "Created At" => return json!(since(text(&metadata["creationTimestamp"]))),
        "Containers" => return json!(containers(object, "name")),
        "Images" => return json!(containers(object, "image")),
        _ => {}
    }
    let found = match (kind.id.group.as_str(), kind.kind.as_str()) {
        ("", "ConfigMap") => json!(count(&object["data"]) + count(&object["binaryData"])),
        ("", "Secret") => match column {
            "Type" => object["type"].clone(),
            _ => json!(count(&object["data"])),
        },
        ("", "Namespace") => object["status"]["phase"].clone(),
        ("", "Service") => service(object, column),
        ("", "Pod") => pod(object, column),
        ("", "Event") | ("events.k8s.io", "Event") => event(object, column),
        ("apps", _) | ("", "ReplicationController") => workload(&kind.kind, object, column),
        ("batch", _) => batch(object, column),
        ("coordination.k8s.io", "Lease") => object["spec"]["holderIdentity"].clone(),
        ("rbac.authorization.k8s.io", _) => binding(object, column),
        ("networking.k8s.io", "Ingress") => ingress(object, column),
        ("networking.k8s.io", "NetworkPolicy") => json!(selector(&object["spec"]["podSelector"])),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler(object, column),
        ("policy", "PodDisruptionBudget") => budget(object, column),
        ("", "PersistentVolumeClaim") => claim(object, column),
        ("storage.k8s.io", "StorageClass") => storage_class(object, column),
        ("scheduling.k8s.io", "PriorityClass") => match column {
            "Value" => object["value"].clone(),
            "Global-Default" => json!(object["globalDefault"] == true),
            _ => object["preemptionPolicy"].clone(),
        },
        _ => json!("<unknown>"),
    };
    if found.is_null() { json!("<none>") } else { found }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn count(value: &Value) -> usize {
    value.as_object().map_or(0, serde_json::Map::len)
}

fn or_none(list: Vec<String>) -> Value {
    if list.is_empty() { json!("<none>") } else { json!(list.join(",")) }
}

/// How long ago a time was, as kubectl writes it.
pub(crate) fn since(time: &str) -> String {
    let Ok(at) = time.parse::<jiff::Timestamp>() else { return "<unknown>".to_owned() };
    duration(jiff::Timestamp::now().as_second() - at.as_second())
}

fn duration(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let both = |large: i64, unit: &str, small: i64, other: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{other}"),
    };
    match seconds {
        ..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => both(minutes, "m", seconds % 60, "s"),
        600..10800 => format!("{minutes}m"),
        10800..28800 => both(hours, "h", minutes % 60, "m"),
        28800..172_800 => format!("{hours}h"),
        172_800..691_200 => both(days, "d", hours % 24, "h"),
        _ if days < 730 => format!("{days}d"),
        _ => both(days / 365, "y", days % 365, "d"),
    }
}

fn containers(object: &Value, field: &str) -> String {
    let spec = &object["spec"];
    let pod = [
        &spec["template"]["spec"],
        &spec["jobTemplate"]["spec"]["template"]["spec"],
        &object["template"]["spec"],
    ];
    let list = pod.into_iter().find_map(|pod| pod["containers"].as_array());
    let names = list.into_iter().flatten().map(|container| text(&container[field]));
    names.collect::<Vec<_>>().join(",")
}

/// A selector as kubectl writes it.
fn selector(value: &Value) -> String {
    let labels = value.get("matchLabels").unwrap_or(value);
    let pairs = labels.as_object().into_iter().flatten();
    let pairs: Vec<String> =
        pairs.filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
    if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
}

fn workload(kind: &str, object: &Value, column: &str) -> Value {
    let (spec, status) = (&object["spec"], &object["status"]);
    let ready = number(&status["readyReplicas"]);
    match (kind, column) {
        ("Deployment" | "StatefulSet", "Ready") => {
            json!(format!("{ready}/{}", number(&spec["replicas"])))
        }
        ("Deployment", "Up-to-date") => json!(number(&status["updatedReplicas"])),
        ("Deployment", "Available") => json!(number(&status["availableReplicas"])),
        ("DaemonSet", "Desired") => json!(number(&status["desiredNumberScheduled"])),
        ("DaemonSet", "Current") => json!(number(&status["currentNumberScheduled"])),
        ("DaemonSet", "Ready") => json!(number(&status["numberReady"])),
        ("DaemonSet", "Up-to-date") => json!(number(&status["updatedNumberScheduled"])),
        ("DaemonSet", "Available") => json!(number(&status["numberAvailable"])),
        ("DaemonSet", "Node Selector") => {
            json!(selector(&spec["template"]["spec"]["nodeSelector"]))
        }
        ("ControllerRevision", "Revision") => object["revision"].clone(),
        ("ControllerRevision", _) => json!("<none>"),
        (_, "Desired") => json!(number(&spec["replicas"])),
        (_, "Current") => json!(number(&status["replicas"])),
        (_, "Ready") => json!(ready),
        (_, "Selector") => json!(selector(&spec["selector"])),
        _ => json!("<unknown>"),
    }
}

fn service(object: &Value, column: &str) -> Value {
    let spec = &object["spec"];
    let strings = |list: &Value| -> Vec<String> {
        let items = list.as_array().into_iter().flatten();
        items.map(|item| text(item).to_owned()).collect()
    };
    match column {
        "Type" => spec["type"].clone(),
        "Cluster-IP" => json!(spec["clusterIP"].as_str().unwrap_or("<none>")),
        "External-IP" => match text(&spec["type"]) {
            "ExternalName" => spec["externalName"].clone(),
            "LoadBalancer" if strings(&spec["externalIPs"]).is_empty() => json!("<pending>"),
            _ => or_none(strings(&spec["externalIPs"])),
        },
        "Port(s)" => {
            let ports = spec["ports"].as_array().into_iter().flatten();
            or_none(
                ports
                    .map(|port| {
                        let node = match number(&port["nodePort"]) {
                            0 => String::new(),
                            node => format!(":{node}"),
                        };
                        format!("{}{node}/{}", number(&port["port"]), text(&port["protocol"]))
                    })
                    .collect(),
            )
        }
        _ => json!(selector(&spec["selector"])),
    }
}

fn pod(object: &Value, column: &str) -> Value {
    let (spec, status) = (&object["spec"], &object["status"]);
    match column {
        "Ready" => {
            let all = spec["containers"].as_array().map_or(0, Vec::len);
            let states = status["containerStatuses"].as_array().into_iter().flatten();
            json!(format!("{}/{all}", states.filter(|state| state["ready"] == true).count()))
        }
        "Status" => match object["metadata"]["deletionTimestamp"].is_null() {
            true => status["phase"].clone(),
            false => json!("Terminating"),
        },
        "Restarts" => json!("0"),
        "IP" => json!(status["podIP"].as_str().unwrap_or("<none>")),
        "Node" => json!(spec["nodeName"].as_str().unwrap_or("<none>")),
        _ => json!("<none>"),
    }
}

fn event(object: &Value, column: &str) -> Value {
    let involved = if object["involvedObject"].is_object() {
        &object["involvedObject"]
    } else {
        &object["regarding"]
    };
    let pick = |old: &str, new: &str| {
        let found = if object[old].is_null() { &object[new] } else { &object[old] };
        found.clone()
    };
    match column {
        "Last Seen" => {
            let at = [
                &object["lastTimestamp"],
                &object["series"]["lastObservedTime"],
                &object["eventTime"],
                &object["metadata"]["creationTimestamp"],
            ];
            json!(since(at.into_iter().find_map(Value::as_str).unwrap_or_default()))
        }
        "First Seen" => {
            let at = [
                &object["firstTimestamp"],
                &object["eventTime"],
                &object["metadata"]["creationTimestamp"],
            ];
            json!(since(at.into_iter().find_map(Value::as_str).unwrap_or_default()))
        }
        "Type" => object["type"].clone(),
        "Reason" => object["reason"].clone(),
        "Object" => {
            let kind = text(&involved["kind"]).to_lowercase();
            json!(format!("{kind}/{}", text(&involved["name"])))
        }
        "Subobject" => json!(text(&involved["fieldPath"])),
        "Source" => match text(&object["source"]["component"]) {
            "" => json!(text(&object["reportingController"])),
            source => json!(source),
        },
        "Message" => json!(text(&pick("message", "note")).trim()),
        "Count" => json!(number(&pick("count", "deprecatedCount")).max(1)),
        _ => json!("<unknown>"),
    }
}

fn batch(object: &Value, column: &str) -> Value {
    let (spec, status) = (&object["spec"], &object["status"]);
    match column {
        "Schedule" => spec["schedule"].clone(),
        "Timezone" => json!(spec["timeZone"].as_str().unwrap_or("<none>")),
        "Suspend" => json!(spec["suspend"] == true),
        "Active" => json!(status["active"].as_array().map_or(0, Vec::len)),
        "Last Schedule" => match status["lastScheduleTime"].as_str() {
            Some(time) => json!(since(time)),
            None => json!("<none>"),
        },
        "Completions" => {
            let wanted = spec["completions"].as_i64().unwrap_or(1);
            json!(format!("{}/{wanted}", number(&status["succeeded"])))
        }
        "Status" => {
            let conditions = status["conditions"].as_array().into_iter().flatten();
            let mut done = conditions.filter(|condition| condition["status"] == "True");
            json!(done.find_map(|condition| condition["type"].as_str()).unwrap_or("Running"))
        }
        "Duration" => json!(""),
        "Selector" => json!(selector(&spec["selector"])),
        _ => json!("<unknown>"),
    }
}

fn binding(object: &Value, column: &str) -> Value {
    let subjects = |kind: &str| {
        let list = object["subjects"].as_array().into_iter().flatten();
        let names = list.filter(|subject| subject["kind"] == kind).map(|subject| {
            match text(&subject["namespace"]) {
                "" => text(&subject["name"]).to_owned(),
                namespace => format!("{namespace}/{}", text(&subject["name"])),
            }
        });
        json!(names.collect::<Vec<_>>().join(", "))
    };
    match column {
        "Role" => {
            let role = &object["roleRef"];
            json!(format!("{}/{}", text(&role["kind"]), text(&role["name"])))
        }
        "Users" => subjects("User"),
        "Groups" => subjects("Group"),
        "ServiceAccounts" => subjects("ServiceAccount"),
        _ => json!("<unknown>"),
    }
}

fn ingress(object: &Value, column: &str) -> Value {
    let spec = &object["spec"];
    match column {
        "Class" => json!(spec["ingressClassName"].as_str().unwrap_or("<none>")),
        "Hosts" => {
            let rules = spec["rules"].as_array().into_iter().flatten();
            let hosts: Vec<String> = rules
                .map(|rule| text(&rule["host"]).to_owned())
                .filter(|host| !host.is_empty())
                .collect();
            if hosts.is_empty() { json!("*") } else { json!(hosts.join(",")) }
        }
        "Address" => json!(""),
        "Ports" => json!(if spec["tls"].is_array() { "80, 443" } else { "80" }),
        _ => json!("<unknown>"),
    }
}

fn autoscaler(object: &Value, column: &str) -> Value {
    let spec = &object["spec"];
    match column {
        "Reference" => {
            let target = &spec["scaleTargetRef"];
            json!(format!("{}/{}", text(&target["kind"]), text(&target["name"])))
        }
        "MinPods" => json!(number(&spec["minReplicas"]).to_string()),
        "MaxPods" => json!(number(&spec["maxReplicas"]).to_string()),
        "Replicas" => json!(number(&object["status"]["currentReplicas"]).to_string()),
        _ => json!("<unknown>"),
    }
}

fn budget(object: &Value, column: &str) -> Value {
    let value = |name: &str| match &object["spec"][name] {
        Value::Null => json!("N/A"),
        Value::String(share) => json!(share),
        other => json!(other.to_string()),
    };
    match column {
        "Min Available" => value("minAvailable"),
        "Max Unavailable" => value("maxUnavailable"),
        _ => json!(number(&object["status"]["disruptionsAllowed"])),
    }
}

fn claim(object: &Value, column: &str) -> Value {
    let spec = &object["spec"];
    match column {
        "Status" => object["status"]["phase"].clone(),
        "Volume" => json!(text(&spec["volumeName"])),
        "Capacity" => json!(text(&object["status"]["capacity"]["storage"])),
        "Access Modes" => json!(""),
        "StorageClass" => json!(text(&spec["storageClassName"])),
        "VolumeMode" => spec["volumeMode"].clone(),
        _ => json!("<unset>"),
    }
}

fn storage_class(object: &Value, column: &str) -> Value {
    match column {
        "Provisioner" => object["provisioner"].clone(),
        "ReclaimPolicy" => object["reclaimPolicy"].clone(),
        "VolumeBindingMode" => object["volumeBindingMode"].clone(),
        "AllowVolumeExpansion" => json!(object["allowVolumeExpansion"] == true),
        _ => json!("<unknown>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_written_as_kubectl_writes_them() {
        #[rustfmt::skip]
        let cases = [
            (5, "5s"), (119, "119s"), (125, "2m5s"), (120, "2m"), (700, "11m"),
            (10_900, "3h1m"), (100_000, "27h"), (200_000, "2d7h"), (864_000, "10d"),
            (86_400 * 800, "2y70d"),
        ];
        for (seconds, want) in cases {
            assert_eq!(duration(seconds), want, "{seconds}");
        }
    }
}
