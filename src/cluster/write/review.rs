//! Questions to the API server that are asked by writing: who is this token, may I do this.

use http::Method;
use serde_json::Value;
use serde_json::json;

use super::Write;
use super::Writer;
use crate::cluster::ClusterError;
use crate::cluster::Resource;
use crate::cluster::SecretTexts;
use crate::model::Secret;

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenIdentity {
    /// The user, such as `system:serviceaccount:hence:hence-reader`.
    pub user: String,
    /// The groups of the user.
    pub groups: Vec<String>,
    /// Those of the audiences that were asked for which the token is meant for.
    pub audiences: Vec<String>,
}

/// May I do this?
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessQuery {
    /// The verb, such as `patch`.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural of the kind; `*` for all.
    pub plural: String,
    /// A subresource; may be empty.
    pub subresource: String,
    /// The namespace; empty for all, and for cluster-scoped kinds.
    pub namespace: String,
    /// The name; empty for all.
    pub name: String,
}

impl Writer {
    /// Asks whose token this is; `None` when it is nobody's, or not meant for `audience`.
    pub async fn review_token(
        &self,
        token: &Secret<String>,
        audience: &str,
    ) -> Result<Option<TokenIdentity>, ClusterError> {
        let question = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token.expose(), "audiences": [audience]},
        });
        let mut secrets = SecretTexts::none();
        secrets.add(token.expose());
        let resource =
            Resource::known("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", false);
        let answer = self.ask(&resource, ("", "", ""), &question, &secrets).await?;
        Ok(read_identity(&answer["status"], audience))
    }

    /// Asks for a token of a service account, meant for `audience`, valid for `seconds` (at least
    /// 600).
    pub async fn request_token(
        &self,
        (namespace, account): (&str, &str),
        audience: &str,
        seconds: u32,
    ) -> Result<Secret<String>, ClusterError> {
        let question = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": seconds},
        });
        let accounts = Resource::known("", "v1", "ServiceAccount", "serviceaccounts", true);
        let none = SecretTexts::none();
        let answer = self.ask(&accounts, (namespace, account, "token"), &question, &none).await?;
        match answer["status"]["token"].as_str() {
            Some(token) => Ok(Secret::new(token.to_owned())),
            None => Err(ClusterError::Unreadable {
                request: format!("request a token of {namespace}/{account}"),
                reason: "it holds no token".to_owned(),
            }),
        }
    }

    /// Asks whether we, or the impersonated user, may do this. An error is not a no.
    pub async fn may(&self, query: &AccessQuery) -> Result<bool, ClusterError> {
        let question = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": query.verb,
                "group": query.group,
                "resource": query.plural,
                "subresource": query.subresource,
                "namespace": query.namespace,
                "name": query.name,
            }},
        });
        let resource = Resource::known(
            "authorization.k8s.io",
            "v1",
            "SelfSubjectAccessReview",
            "selfsubjectaccessreviews",
            false,
        );
        let none = SecretTexts::none();
        let answer = self.ask(&resource, ("", "", ""), &question, &none).await?;
        Ok(answer["status"]["allowed"] == true)
    }

    /// All that we, or the impersonated user, may do in a namespace: the review's `status`, with
    /// `incomplete` when the server could not tell all.
    pub async fn rules_in(&self, namespace: &str) -> Result<Value, ClusterError> {
        let question = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        });
        let resource = Resource::known(
            "authorization.k8s.io",
            "v1",
            "SelfSubjectRulesReview",
            "selfsubjectrulesreviews",
            false,
        );
        let none = SecretTexts::none();
        let mut answer = self.ask(&resource, ("", "", ""), &question, &none).await?;
        Ok(answer["status"].take())
    }

    async fn ask(
        &self,
        resource: &Resource,
        (namespace, name, subresource): (&str, &str, &str),
        question: &Value,
        secrets: &SecretTexts,
    ) -> Result<Value, ClusterError> {
        let request = format!("ask for a {}", question["kind"].as_str().unwrap_or_default());
        let answer = self
            .send(Write {
                verb: "ask for",
                method: Method::POST,
                resource,
                namespace,
                name,
                subresource,
                query: Vec::new(),
                content: Some(("application/json", question.to_string().into_bytes())),
                secrets,
            })
            .await?;
        serde_json::from_slice(&answer.body).map_err(|error| ClusterError::Unreadable {
            request,
            reason: format!("it is not JSON: column {}", error.column()),
        })
    }
}

/// Reads the status of a `TokenReview`. A server that does not know audiences names none, and then
/// the token may be meant for anybody: that is a no.
fn read_identity(status: &Value, audience: &str) -> Option<TokenIdentity> {
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let audiences = texts(&status["audiences"]);
    let user = status["user"]["username"].as_str().unwrap_or_default();
    let valid = status["authenticated"] == true
        && !user.is_empty()
        && audiences.iter().any(|known| known == audience);
    valid.then(|| TokenIdentity {
        user: user.to_owned(),
        groups: texts(&status["user"]["groups"]),
        audiences,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_meant_for_us_count() {
        let status = |authenticated: bool, audiences: Value| {
            json!({"authenticated": authenticated, "audiences": audiences,
                "user": {"username": "system:serviceaccount:hence:hence-reader", "groups": ["g"]}})
        };
        assert!(read_identity(&status(true, json!(["hence"])), "hence").is_some());
        assert!(read_identity(&status(false, json!(["hence"])), "hence").is_none());
        assert!(read_identity(&status(true, json!(["other"])), "hence").is_none());
        assert!(read_identity(&status(true, Value::Null), "hence").is_none());
        assert!(read_identity(&json!({}), "hence").is_none());
    }
}
