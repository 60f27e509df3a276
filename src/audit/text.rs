//! How times, digests and ids are written in a record's JSON: as text that people read.

/// `2026-11-22T19:00:00.123Z`: RFC 3339 in UTC with milliseconds.
pub(super) mod time {
    use jiff::Timestamp as Instant;
    use serde::Deserialize;
    use serde::Deserializer;
    use serde::Serialize;
    use serde::Serializer;
    use serde::de::Error;

    use crate::model::Timestamp;

    pub(in crate::audit) fn serialize<S: Serializer>(
        at: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match Instant::from_millisecond(at.millis()) {
            Ok(instant) => format!("{instant:.3}").serialize(serializer),
            Err(error) => Err(serde::ser::Error::custom(error)),
        }
    }

    pub(in crate::audit) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse_rfc3339(&text).ok_or_else(|| D::Error::custom("not an RFC 3339 time"))
    }
}

/// `sha256:<64 hex>`.
pub(super) mod digest {
    use serde::Deserialize;
    use serde::Deserializer;
    use serde::Serializer;
    use serde::de::Error;

    use crate::model::Digest;

    pub(in crate::audit) fn serialize<S: Serializer>(
        digest: &Digest,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(digest)
    }

    pub(in crate::audit) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        Digest::parse(&text).ok_or_else(|| D::Error::custom("not a `sha256:` digest"))
    }
}

/// As [`digest`], or absent. Only read: writers know which it is.
pub(super) mod digest_option {
    use serde::Deserialize;
    use serde::Deserializer;
    use serde::de::Error;

    use crate::model::Digest;

    pub(in crate::audit) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Digest>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let digest = Digest::parse(&text);
        digest.map(Some).ok_or_else(|| D::Error::custom("not a `sha256:` digest"))
    }
}

/// `P-<64 hex>`.
pub(super) mod proof_id {
    use serde::Deserialize;
    use serde::Deserializer;
    use serde::Serializer;
    use serde::de::Error;

    use crate::audit::ProofId;

    pub(in crate::audit) fn serialize<S: Serializer>(
        id: &ProofId,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(in crate::audit) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ProofId, D::Error> {
        let text = String::deserialize(deserializer)?;
        ProofId::parse(&text).ok_or_else(|| D::Error::custom("not a proof id"))
    }
}
