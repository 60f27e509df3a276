use super::*;

fn owner() -> ArtifactOwner {
    ArtifactOwner { kind: "GitRepository".into(), namespace: "ns".into(), name: "app".into() }
}

fn storage() -> (tempfile::TempDir, Storage) {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = Storage::open(directory.path()).expect("a storage");
    (directory, storage)
}

fn put(storage: &Storage, file: &str, bytes: &str, at_s: i64) -> Stored {
    let inputs = Digest::of(bytes.as_bytes());
    storage
        .store(&owner(), file, &inputs, Timestamp(at_s * 1000), |out| {
            out.write_all(bytes.as_bytes()).map_err(failed("write", Path::new("test")))
        })
        .expect("written")
}

#[test]
fn a_file_is_built_once_and_kept() {
    let (directory, storage) = storage();
    let first = put(&storage, "c1.tar.gz", "bytes", 1);
    assert_eq!(first.path, "gitrepository/ns/app/c1.tar.gz");
    assert_eq!(first.size, 5);
    assert_eq!(first.digest, Digest::of(b"bytes").to_string());
    let again = Storage::open(directory.path()).expect("a storage");
    let unbuilt = |_: &mut dyn Write| panic!("it is there");
    let inputs = Digest::of(b"bytes");
    let kept = again.store(&owner(), "c1.tar.gz", &inputs, Timestamp(9000), unbuilt);
    assert_eq!(kept.expect("kept"), first);
    let at = directory.path().join(&first.path);
    fs::write(&at, "b¥tes").expect("damaged");
    assert!(!again.verify(&first.path, &first.digest).expect("readable"));
    let rebuilt = put(&again, "c1.tar.gz", "bytes", 9);
    assert_eq!(rebuilt.built, Timestamp(9000), "a damaged file is built again");
    assert!(again.verify(&first.path, &first.digest).expect("readable"));
    let other_rules = put(&again, "c1.tar.gz", "other", 10);
    assert_ne!(other_rules.digest, first.digest, "other inputs, other bytes, same name");
    assert!(!again.verify("gitrepository/ns/app/none", &first.digest).expect("readable"));
}

#[test]
fn a_failed_build_leaves_nothing() {
    let (directory, storage) = storage();
    let fails = |out: &mut dyn Write| {
        out.write_all(b"half").expect("written");
        Err(ArtifactError::Path { name: "x".into() })
    };
    let result = storage.store(&owner(), "c.tar.gz", &Digest::of(b""), Timestamp(0), fails);
    assert!(result.is_err());
    let left = fs::read_dir(directory.path().join("gitrepository/ns/app")).expect("a directory");
    assert_eq!(left.count(), 0);
}

#[test]
fn retention() {
    let (directory, storage) = storage();
    for (file, at_s) in [("a", 0), ("b", 10), ("c", 100), ("d", 190), ("e", 200)] {
        put(&storage, file, file, at_s);
    }
    let now = Timestamp(205_000);
    let removed = storage.collect(&owner(), "e", Retention::default(), now).expect("collected");
    assert_eq!(
        removed,
        ["gitrepository/ns/app/c", "gitrepository/ns/app/b", "gitrepository/ns/app/a"],
        "the current one, one more record; d is young too"
    );
    let old = Timestamp(10_000_000);
    assert!(
        storage.collect(&owner(), "e", Retention::default(), old).expect("collected").is_empty()
    );
    let none = Retention { records: 0, ttl: Duration::ZERO };
    storage.collect(&owner(), "e", none, old).expect("collected");
    assert!(directory.path().join("gitrepository/ns/app/e").exists(), "the current file stays");
    assert!(!directory.path().join("gitrepository/ns/app/d").exists());
    assert_eq!(storage.retain(&BTreeSet::from([owner()])).expect("retained"), [""; 0]);
    assert_eq!(storage.retain(&BTreeSet::new()).expect("retained"), ["gitrepository/ns/app"]);
    assert!(!directory.path().join("gitrepository/ns/app").exists());
}

#[test]
fn names_stay_inside() {
    let (_directory, storage) = storage();
    for name in ["..", "", "a/b", ".made", "a\\b"] {
        let owner = ArtifactOwner { name: name.into(), ..owner() };
        assert!(storage.remove(&owner).is_err(), "{name}");
        let written =
            storage.store(&self::owner(), name, &Digest::of(b""), Timestamp(0), |_| Ok(()));
        assert!(written.is_err(), "{name}");
    }
}

#[test]
fn only_files_on_offer_are_served() {
    let (directory, storage) = storage();
    let stored = put(&storage, "c.tar.gz", "bytes", 1);
    let at = directory.path().join(&stored.path);
    assert_eq!(storage.served(&stored.path), Some(at.clone()));
    assert_eq!(storage.served(&format!("/{}", stored.path)), Some(at.clone()));
    fs::write(at.with_file_name("d.tar.gz.part"), "half").expect("a file");
    std::os::unix::fs::symlink("/etc/passwd", at.with_file_name("link")).expect("a link");
    for path in [
        "",
        "/",
        "gitrepository/ns/app",
        "gitrepository/ns/app/none",
        "gitrepository/ns/app/d.tar.gz.part",
        "gitrepository/ns/app/link",
        ".made/gitrepository/ns/app/c.tar.gz.json",
        "gitrepository/../.made/gitrepository/ns/app/c.tar.gz.json",
        "gitrepository//ns/app/c.tar.gz",
    ] {
        assert_eq!(storage.served(path), None, "{path}");
    }
}
