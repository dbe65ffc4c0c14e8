//! A cloud that one is logged in to.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::config::{self, Config};
use crate::host::{Explain, Failure, Look};
use crate::modules::http;

/// Declares an argument struct with the arguments that all modules for
/// OpenStack have, and a method `wish()` that gathers them.
macro_rules! openstack_arguments {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident { $($body:tt)* }
    ) => {
        ocplay_protocol::arguments! {
            $(#[doc = $doc])*
            $vis struct $name {
                $($body)*
                /// Name of a cloud in clouds.yaml, or such an entry itself.
                cloud: Option<serde_json::Value>,
                /// What is needed to get in: auth_url, username, password, project_name, …; it wins over cloud and the OS_* variables.
                auth: Option<serde_json::Map<String, serde_json::Value>>,
                /// Way of getting in: password, token or v3applicationcredential.
                auth_type: Option<String>,
                /// Region.
                region_name: Option<String>,
                /// Wait until the object is ready.
                wait: bool = true,
                /// Most seconds for that.
                timeout: i64 = 180,
                /// Most seconds for one answer.
                api_timeout: Option<i64>,
                /// Check the certificates of https.
                validate_certs: Option<bool> ["verify"],
                /// Authorities to trust.
                ca_cert: Option<String> ["cacert"],
                /// Certificate of this host.
                client_cert: Option<String> ["cert"],
                /// Key of that certificate.
                client_key: Option<String> ["key"],
                /// Which of a service's addresses to use: public, internal or admin.
                interface: Option<String> ["endpoint_type", "endpoint-type"],
                /// Accepted for old playbooks.
                sdk_log_path: Option<String>,
                /// Accepted for old playbooks.
                sdk_log_level: String = "INFO".to_owned(),
            }
        }

        impl $name {
            $vis fn connect(
                &self,
                look: &$crate::host::Look,
            ) -> Result<$crate::modules::openstack::Cloud, $crate::host::Failure> {
                $crate::modules::openstack::Cloud::connect(
                    look,
                    self.cloud.as_ref(),
                    self.auth.as_ref(),
                    [
                        ("auth_type", self.auth_type.clone()),
                        ("region_name", self.region_name.clone()),
                        ("api_timeout", self.api_timeout.map(|seconds| seconds.to_string())),
                        ("verify", self.validate_certs.map(|on| on.to_string())),
                        ("cacert", self.ca_cert.clone()),
                        ("cert", self.client_cert.clone()),
                        ("key", self.client_key.clone()),
                        ("interface", self.interface.clone()),
                    ],
                )
            }
        }
    };
}
pub(in crate::modules) use openstack_arguments;

/// No answer of a service is longer than this.
const MOST_ANSWER: u64 = 64 << 20;

#[derive(Clone)]
pub(in crate::modules) struct Cloud {
    look: Look,
    base: http::Call,
    /// Address of Keystone's third version.
    identity: String,
    token: String,
    catalog: Vec<Value>,
    interface: String,
    region: Option<String>,
    /// Version that the compute service shall speak, beyond its oldest.
    compute: Option<&'static str>,
}

/// An answer of a service.
pub(in crate::modules) struct Answer {
    pub(in crate::modules) status: u16,
    pub(in crate::modules) body: Value,
}

fn with_domain(config: &Config, object: &mut Value, kind: &str) {
    let id = config
        .auth(&format!("{kind}_domain_id"))
        .or_else(|| config.auth("domain_id"));
    let name = config
        .auth(&format!("{kind}_domain_name"))
        .or_else(|| config.auth("domain_name"));
    object["domain"] = match (id, name) {
        (Some(id), _) => json!({ "id": id }),
        (None, Some(name)) => json!({ "name": name }),
        (None, None) => json!({ "id": "default" }),
    };
}

/// The body of the request for a token.
fn request(config: &Config) -> Result<Value, Failure> {
    let need = |name: &str| {
        config.auth(name).ok_or_else(|| {
            Failure::new(format!(
                "auth has no {name} (nor do clouds.yaml and OS_* variables)"
            ))
        })
    };
    let kind = config.option("auth_type").unwrap_or_default();
    let mut identity = match kind.as_str() {
        "v3applicationcredential" => {
            return Ok(json!({"auth": {"identity": {
                "methods": ["application_credential"],
                "application_credential": {
                    "id": need("application_credential_id")?,
                    "secret": need("application_credential_secret")?,
                },
            }}}));
        }
        "token" | "v3token" => json!({"methods": ["token"], "token": {"id": need("token")?}}),
        "" | "password" | "v3password" => {
            let mut user = match config.auth("user_id") {
                Some(id) => json!({ "id": id }),
                None => json!({ "name": need("username")? }),
            };
            user["password"] = need("password")?.into();
            if user.get("name").is_some() {
                with_domain(config, &mut user, "user");
            }
            json!({"methods": ["password"], "password": {"user": user}})
        }
        other => {
            return Err(Failure::new(format!(
                "auth_type {other} is not supported; use password, token or \
                 v3applicationcredential"
            )));
        }
    };
    let project_name = config
        .auth("project_name")
        .or_else(|| config.auth("tenant_name"));
    let scope = match (config.auth("project_id"), project_name) {
        (Some(id), _) => json!({"project": {"id": id}}),
        (None, Some(name)) => {
            let mut project = json!({ "name": name });
            with_domain(config, &mut project, "project");
            json!({ "project": project })
        }
        (None, None) if config.auth("system_scope").as_deref() == Some("all") => {
            json!({"system": {"all": true}})
        }
        (None, None) => match (config.auth("domain_id"), config.auth("domain_name")) {
            (Some(id), _) => json!({"domain": {"id": id}}),
            (None, Some(name)) => json!({"domain": {"name": name}}),
            (None, None) => Value::Null,
        },
    };
    identity = json!({ "identity": identity });
    if !scope.is_null() {
        identity["scope"] = scope;
    }
    Ok(json!({ "auth": identity }))
}

impl Cloud {
    pub(in crate::modules) fn connect(
        look: &Look,
        cloud: Option<&Value>,
        auth: Option<&Map<String, Value>>,
        options: [(&str, Option<String>); 8],
    ) -> Result<Self, Failure> {
        let mut config = config::read(look, cloud, auth)?;
        for (name, value) in options {
            if let Some(value) = value {
                config.rest.insert(name.to_owned(), value.into());
            }
        }
        let url = config
            .auth("auth_url")
            .ok_or("auth has no auth_url (nor do clouds.yaml and OS_* variables)")?;
        let url = url.trim_end_matches('/');
        let identity = match url.strip_suffix("/v2.0") {
            Some(root) => format!("{root}/v3"),
            None if url.ends_with("/v3") => url.to_owned(),
            None => format!("{url}/v3"),
        };
        let verify = config.option("verify").unwrap_or_default();
        let path = |name: &str| {
            config
                .option(name)
                .map(|path| PathBuf::from(look.expand(&path)))
        };
        let seconds = config
            .option("api_timeout")
            .and_then(|text| text.parse().ok());
        let base = http::Call {
            timeout: Duration::from_secs(seconds.unwrap_or(60)),
            validate: !matches!(verify.to_lowercase().as_str(), "false" | "no" | "0"),
            authorities: path("cacert"),
            client_certificate: path("cert"),
            client_key: path("key"),
            agent: "ocplay".to_owned(),
            ..http::Call::default()
        };
        let mut cloud = Self {
            look: look.clone(),
            base,
            identity,
            token: String::new(),
            catalog: Vec::new(),
            interface: config.option("interface").map_or_else(
                || "public".to_owned(),
                |word| word.trim_end_matches("URL").to_owned(),
            ),
            region: config.option("region_name"),
            compute: None,
        };
        let call = http::Call {
            method: "POST".to_owned(),
            url: format!("{}/auth/tokens", cloud.identity),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: Some(request(&config)?.to_string().into_bytes()),
            ..cloud.base.clone()
        };
        let answer = call.send(look)?;
        cloud.token = answer
            .header("x-subject-token")
            .unwrap_or_default()
            .to_owned();
        let answer = read(answer)?;
        if answer.status != 201 || cloud.token.is_empty() {
            return Err(refused("log in", &answer));
        }
        let catalog = answer.body["token"]["catalog"].as_array();
        cloud.catalog = catalog.cloned().unwrap_or_default();
        Ok(cloud)
    }

    /// The same cloud, its compute service asked to speak a version such as
    /// 2.55. One that is too old refuses (HTTP 406).
    pub(in crate::modules) fn compute_at(self, version: &'static str) -> Self {
        Self {
            compute: Some(version),
            ..self
        }
    }

    pub(in crate::modules) fn token(&self) -> &str {
        &self.token
    }

    /// Address of a service, from the catalogue.
    fn address(&self, service: &str) -> Result<String, Failure> {
        if service == "identity" {
            return Ok(self.identity.clone());
        }
        let endpoints = self
            .catalog
            .iter()
            .filter(|entry| entry["type"] == service)
            .filter_map(|entry| entry["endpoints"].as_array())
            .flatten();
        endpoints
            .filter(|endpoint| endpoint["interface"] == self.interface.as_str())
            .find(|endpoint| {
                self.region.as_ref().is_none_or(|region| {
                    endpoint["region_id"] == region.as_str()
                        || endpoint["region"] == region.as_str()
                })
            })
            .and_then(|endpoint| endpoint["url"].as_str())
            .map(|url| url.trim_end_matches('/').to_owned())
            .ok_or_else(|| {
                Failure::new(format!(
                    "the catalogue of the cloud has no {} address of the service {service}{}",
                    self.interface,
                    match &self.region {
                        Some(region) => format!(" in the region {region}"),
                        None => String::new(),
                    }
                ))
            })
    }

    /// One request. A refusal is an answer; a failure means that there was none.
    pub(in crate::modules) fn send(
        &self,
        method: &str,
        service: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let mut call = self.call(method, service, path)?;
        if let Some(body) = body {
            let patch = service == "image" && method == "PATCH";
            let kind = if patch {
                "application/openstack-images-v2.1-json-patch"
            } else {
                "application/json"
            };
            call.headers
                .push(("content-type".to_owned(), kind.to_owned()));
            call.body = Some(body.to_string().into_bytes());
        }
        read(call.send(&self.look)?)
    }

    fn call(&self, method: &str, service: &str, path: &str) -> Result<http::Call, Failure> {
        let mut address = self.address(service)?;
        // Catalogues name these with and without their version.
        for (known, version) in [("network", "/v2.0"), ("image", "/v2")] {
            if service == known && !address.ends_with(version) {
                address.push_str(version);
            }
        }
        let mut headers = vec![
            ("x-auth-token".to_owned(), self.token.clone()),
            ("accept".to_owned(), "application/json".to_owned()),
        ];
        if let (Some(version), "compute") = (self.compute, service) {
            let spoken = format!("compute {version}");
            headers.push(("openstack-api-version".to_owned(), spoken));
        }
        Ok(http::Call {
            method: method.to_owned(),
            url: format!("{address}{path}"),
            headers,
            ..self.base.clone()
        })
    }

    /// Sends a file of the host.
    pub(in crate::modules) fn upload(
        &self,
        service: &str,
        path: &str,
        file: &std::path::Path,
    ) -> Result<Answer, Failure> {
        let mut call = self.call("PUT", service, path)?;
        let kind = (
            "content-type".to_owned(),
            "application/octet-stream".to_owned(),
        );
        call.headers.push(kind);
        call.file = Some(file.to_owned());
        // The service may take its time with the last part.
        call.timeout = Duration::from_secs(3600);
        read(call.send(&self.look)?)
    }

    /// What is at a path; `None` if nothing is.
    pub(in crate::modules) fn get(
        &self,
        service: &str,
        path: &str,
    ) -> Result<Option<Value>, Failure> {
        let answer = self.send("GET", service, path, None)?;
        match answer.status {
            200..=299 => Ok(Some(answer.body)),
            404 => Ok(None),
            _ => Err(refused(&format!("read {path}"), &answer)),
        }
    }

    /// Changes something; `what` reads on from "cannot".
    pub(in crate::modules) fn tell(
        &self,
        method: &str,
        service: &str,
        path: &str,
        body: Option<&Value>,
        what: &str,
    ) -> Result<Value, Failure> {
        let answer = self.send(method, service, path, body)?;
        match answer.status {
            200..=299 => Ok(answer.body),
            404 if method == "DELETE" => Ok(Value::Null),
            _ => Err(refused(what, &answer)),
        }
    }
}

fn read(answer: http::Answer) -> Result<Answer, Failure> {
    let status = answer.status;
    let mut data = Vec::new();
    answer
        .body
        .take(MOST_ANSWER)
        .read_to_end(&mut data)
        .explain("read the answer of the cloud")?;
    let body = serde_json::from_slice(&data)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&data).into_owned()));
    Ok(Answer { status, body })
}

/// A service's words about its refusal.
pub(in crate::modules) fn refused(what: &str, answer: &Answer) -> Failure {
    let body = &answer.body;
    let inner = body.as_object().and_then(|map| map.values().next());
    let text = body["error"]["message"]
        .as_str()
        .or_else(|| body["message"].as_str())
        .or_else(|| inner?["message"].as_str())
        .map_or_else(|| body.to_string(), str::to_owned);
    Failure::new(format!("cannot {what}: {text} (HTTP {})", answer.status))
        .with("status_code", answer.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_for_tokens() {
        let auth =
            json!({"username": "u", "password": "p", "project_name": "x", "user_domain_name": "D"});
        let config = Config {
            auth: auth.as_object().cloned().unwrap(),
            rest: Map::new(),
        };
        let body = request(&config).unwrap();
        let identity = &body["auth"]["identity"];
        assert_eq!(identity["password"]["user"]["domain"]["name"], "D");
        assert_eq!(body["auth"]["scope"]["project"]["domain"]["id"], "default");
        assert!(
            request(&Config::default())
                .unwrap_err()
                .message
                .contains("username")
        );
    }
}
