//! An object of a service: found, compared, made, changed, removed.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::Cloud;
use crate::host::{Failure, Return};
use crate::modules::acts::Acts;
use crate::modules::http::percent;

/// A kind of object.
#[derive(Debug, Clone, Copy)]
pub(in crate::modules) struct Resource {
    /// Type of the service.
    pub(in crate::modules) service: &'static str,
    /// Where its objects are.
    pub(in crate::modules) path: &'static str,
    /// Its name in answers, for one and for several.
    pub(in crate::modules) one: &'static str,
    pub(in crate::modules) many: &'static str,
    /// How a change is sent.
    pub(in crate::modules) change: &'static str,
}

impl Resource {
    /// The object of this name or number, among those that the query allows.
    pub(in crate::modules) fn find(
        &self,
        cloud: &Cloud,
        name: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<Value>, Failure> {
        let mut path = format!("{}?name={}", self.path, percent(name).replace('+', "%20"));
        for (key, value) in query {
            path.push_str(&format!("&{key}={}", percent(value).replace('+', "%20")));
        }
        let list = cloud.get(self.service, &path)?.unwrap_or_default();
        let found: Vec<&Value> = list[self.many]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|object| object["name"] == name)
            .collect();
        match found[..] {
            [] => {}
            [one] => return Ok(Some(one.clone())),
            _ => {
                return Err(Failure::new(format!(
                    "there is more than one {} with the name {name}; give its number or its domain",
                    self.one
                )));
            }
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            return Ok(None);
        }
        let object = cloud.get(self.service, &format!("{}/{name}", self.path))?;
        Ok(object.and_then(|object| object.get(self.one).cloned()))
    }

    /// Its number; it must be there.
    pub(in crate::modules) fn id(
        &self,
        cloud: &Cloud,
        name: &str,
        query: &[(&str, &str)],
    ) -> Result<String, Failure> {
        let object = self.find(cloud, name, query)?;
        let object = object.ok_or_else(|| {
            Failure::new(format!("there is no {} '{name}' in the cloud", self.one))
        })?;
        Ok(object["id"].as_str().unwrap_or_default().to_owned())
    }
}

/// Whether a value is the wanted one; the order of lists does not matter.
pub(in crate::modules) fn same(is: &Value, wanted: &Value) -> bool {
    match (is, wanted) {
        (Value::Array(is), Value::Array(wanted)) => {
            is.len() == wanted.len() && wanted.iter().all(|one| is.iter().any(|is| same(is, one)))
        }
        (Value::Object(is), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| is.get(key).is_some_and(|is| same(is, value))),
        (Value::Null, Value::String(text)) => text.is_empty(),
        (is, wanted) => is == wanted,
    }
}

/// What shall be with one object.
pub(in crate::modules) struct Ensure {
    pub(in crate::modules) cloud: Cloud,
    pub(in crate::modules) resource: Resource,
    pub(in crate::modules) name: String,
    pub(in crate::modules) found: Option<Value>,
    pub(in crate::modules) present: bool,
    /// Fields of a new object; null ones are left out.
    pub(in crate::modules) create: Value,
    /// Fields to compare; those that differ are sent.
    pub(in crate::modules) update: Value,
    /// Fields that are sent and never shown, such as a password.
    pub(in crate::modules) secret: Map<String, Value>,
    /// Status that is waited for, with the most seconds.
    pub(in crate::modules) ready: Option<(&'static str, i64)>,
}

fn fields(value: &Value) -> Map<String, Value> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

impl Ensure {
    /// The things to do.
    pub(in crate::modules) fn acts(self) -> Acts {
        let Self {
            cloud,
            resource,
            name,
            found,
            present,
            create,
            update,
            secret,
            ready,
        } = self;
        let one = resource.one;
        let id = |object: &Value| object["id"].as_str().unwrap_or_default().to_owned();
        let shown = |object: &Value| {
            Return::new()
                .with("id", object["id"].clone())
                .with(one, object.clone())
        };
        let title = format!("{one} {name}");
        match (found, present) {
            (None, false) => Acts::new(Return::new()),
            (Some(object), false) => {
                let mut acts = Acts::new(Return::new());
                acts.diff(super::super::acts::state(&title, "present", ""));
                acts.body(move |_| {
                    let path = format!("{}/{}", resource.path, id(&object));
                    let what = format!("remove the {one} {name}");
                    cloud.tell("DELETE", resource.service, &path, None, &what)?;
                    Ok(Return::new())
                });
                acts
            }
            (None, true) => {
                let mut body = fields(&create);
                let foreseen = Value::Object(body.clone());
                let mut acts = Acts::new(Return::new().with(one, foreseen.clone()));
                acts.diff(ocplay_protocol::Diff::data(&Value::Null, &foreseen));
                body.extend(secret);
                acts.body(move |touch| {
                    let what = format!("create the {one} {name}");
                    let body = if resource.service == "image" {
                        Value::Object(body)
                    } else {
                        json!({ one: body })
                    };
                    let answer =
                        cloud.tell("POST", resource.service, resource.path, Some(&body), &what)?;
                    let mut object = answer.get(one).cloned().unwrap_or(answer);
                    if let Some((status, limit)) = ready {
                        let end = Instant::now() + Duration::from_secs(limit.max(1).unsigned_abs());
                        let path = format!("{}/{}", resource.path, id(&object));
                        while object["status"] != status && Instant::now() < end {
                            touch.sleep(Duration::from_secs(1))?;
                            let again = cloud.get(resource.service, &path)?.unwrap_or_default();
                            object = again.get(one).cloned().unwrap_or(again);
                        }
                    }
                    Ok(shown(&object))
                });
                acts
            }
            (Some(object), true) => {
                let differing: Map<String, Value> = fields(&update)
                    .into_iter()
                    .filter(|(key, value)| !same(&object[key], value))
                    .collect();
                let mut acts = Acts::new(shown(&object));
                if differing.is_empty() && secret.is_empty() {
                    return acts;
                }
                let old: Value = differing
                    .keys()
                    .map(|key| (key.clone(), object[key].clone()))
                    .collect();
                acts.diff(ocplay_protocol::Diff::data(
                    &old,
                    &Value::Object(differing.clone()),
                ));
                let mut body = differing;
                body.extend(secret);
                acts.body(move |_| {
                    let path = format!("{}/{}", resource.path, id(&object));
                    let what = format!("change the {one} {name}");
                    let body = json!({ one: body });
                    let answer =
                        cloud.tell(resource.change, resource.service, &path, Some(&body), &what)?;
                    Ok(shown(answer.get(one).unwrap_or(&answer)))
                });
                acts
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparing() {
        assert!(same(&json!(["a", "b"]), &json!(["b", "a"])));
        assert!(!same(&json!(["a"]), &json!(["b", "a"])));
        assert!(same(&json!({"a": 1, "b": 2}), &json!({"a": 1})));
        assert!(same(&Value::Null, &json!("")));
        assert!(!same(&json!(1), &json!("1")));
    }
}
