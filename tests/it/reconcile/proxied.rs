//! `--remote`: questions that travel through the API server's proxy of hence's Service.

use super::world::World;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;
use serde_json::json;
use std::net::IpAddr;
use std::net::UdpSocket;

/// An address of this machine that an API server may send requests on to: it refuses loopback.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: this only asks which way a packet would go.
    socket.connect("203.0.113.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback()).then_some(address)
}

/// A Service `hence` that leads to this port of the machine; nothing when no address leads there.
async fn service(world: &World, namespace: &str, port: u16) -> Option<()> {
    let address = own_address()?;
    let metadata = json!({ "name": "hence", "namespace": namespace });
    let service = json!({
        "metadata": metadata,
        "spec": { "ports": [{ "name": "http", "port": 80, "targetPort": port }] },
    });
    let slice = json!({
        "metadata": {
            "name": "hence-1",
            "namespace": namespace,
            "labels": { "kubernetes.io/service-name": "hence" },
        },
        "addressType": if address.is_ipv4() { "IPv4" } else { "IPv6" },
        "endpoints": [{
            "addresses": [address.to_string()],
            "conditions": { "ready": true },
            "targetRef": { "kind": "Pod", "namespace": namespace, "name": "hence-0" },
        }],
        "ports": [{ "name": "http", "port": port }],
    });
    let service: Service = serde_json::from_value(service).expect("a Service");
    let slice: EndpointSlice = serde_json::from_value(slice).expect("an EndpointSlice");
    let services: Api<Service> = Api::namespaced(world.client.clone(), namespace);
    services.create(&PostParams::default(), &service).await.expect("the server takes it");
    pod(world, namespace, address).await;
    let slices: Api<EndpointSlice> = Api::namespaced(world.client.clone(), namespace);
    slices.create(&PostParams::default(), &slice).await.expect("the server takes it");
    Some(())
}

/// A pod with this address: the API server passes nothing on to an endpoint that is no pod.
async fn pod(world: &World, namespace: &str, address: IpAddr) {
    let pod = json!({
        "metadata": { "name": "hence-0", "namespace": namespace },
        "spec": { "containers": [{ "name": "hence", "image": "hence" }] },
    });
    let ip = address.to_string();
    let status = json!({ "status": { "podIP": ip, "podIPs": [{ "ip": ip }] } });
    let pod: Pod = serde_json::from_value(pod).expect("a Pod");
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), namespace);
    pods.create(&PostParams::default(), &pod).await.expect("the server takes it");
    let (params, patch) = (PatchParams::default(), Patch::Merge(status));
    pods.patch_status("hence-0", &params, &patch).await.expect("the server takes its address");
}

/// Asks a daemon that listens at this port of every address, as users of the cluster do.
pub(super) async fn asked_through_the_api_server(world: &World, namespace: &str, port: u16) {
    if service(world, namespace, port).await.is_none() {
        println!("no address but loopback: the API server cannot be asked to pass questions on");
        return;
    }
    let place = &world.site.workplace;
    let n = world.namespace.as_str();
    let why = place.hence(&["why", "cm/a", "-n", n, "--remote"]).expect_success();
    assert!(why.contains("EXISTS"), "{why}");
    let near = world.site.ask(&["why", "cm/a", "-n", n]);
    assert_eq!(why, near, "it is the same answer");
    let owners = place.hence(&["owners", "cm/a", "-n", n, "--remote", "-o", "json"]);
    assert!(owners.expect_success().contains("\"verdict\""));
    let list = place.hence(&["audit", "list", "--writes", "--remote"]).expect_success();
    assert!(list.contains("apply"), "{list}");
    let file = place.path("far.jsonl");
    let file = file.to_str().expect("paths here are UTF-8");
    let export = place.hence(&["audit", "export", file, "--remote"]).expect_success();
    assert!(export.starts_with("OK"), "{export}");
    // Whoever has no right to the account's tokens is told so, and what would help.
    let refused = place.hence(&["why", "cm/a", "-n", n, "--remote", "--context", "tester"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("serviceaccounts"), "{refused:?}");
}
