//! Two hundred objects of more than twenty-five kinds, as awkward as servers and users make them.
//! The texts stand in `objects/`.

/// How many of each namespaced kind.
const EACH: usize = 8;

const NAMESPACED: &str = include_str!("objects/namespaced.yaml");
const CLUSTER: &str = include_str!("objects/cluster.yaml");
const DEFINITION: &str = include_str!("objects/definition.yaml");
const TOGGLED: &str = include_str!("objects/toggled.yaml");

/// What kubectl applies before Flux does.
pub(super) const BY_KUBECTL: &str = include_str!("objects/by-kubectl.yaml");

/// How many kinds there are.
pub(super) fn kinds() -> usize {
    let documents = |text: &str| text.split("\n---\n").count();
    documents(NAMESPACED) + documents(CLUSTER) + 1
}

/// All files of the unit, by path; `group` is a word that no other test uses.
pub(super) fn files(group: &str) -> Vec<(String, String)> {
    let named = |text: &str| text.replace("GROUP", group);
    let mut found = vec![
        ("app/definition.yaml".to_owned(), named(DEFINITION)),
        ("app/cluster.yaml".to_owned(), named(CLUSTER)),
        ("app/toggled.yaml".to_owned(), TOGGLED.to_owned()),
    ];
    for number in 0..EACH {
        let text = named(NAMESPACED).replace("NUMBER", &number.to_string());
        found.push((format!("app/objects-{number}.yaml"), text));
    }
    found
}
