//! `uri`: one HTTP request and what came back.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ocplay_protocol::{Diff, coerce};
use serde_json::{Map, Value, json};

use super::execute::{Guards, verdict};
use super::http::{Answer, Call, file_name, percent};
use super::{Module, Verdict};
use crate::host::attributes::{describe, file_arguments};
use crate::host::{Explain, Failure, Look, Return, Settled, Touch, parent, sha1_of};

/// A frame must hold the content.
const MOST: u64 = 24 << 20;

ocplay_protocol::choices! {
    /// How the body is written.
    pub(super) enum Format {
        Form = "form-urlencoded",
        Json = "json",
        Raw = "raw",
        Multipart = "form-multipart",
    }
}

ocplay_protocol::choices! {
    /// Which redirects are followed.
    pub(super) enum Follow {
        All = "all",
        No = "no",
        None = "none",
        /// Those of GET and HEAD.
        Safe = "safe",
        Urllib2 = "urllib2",
        Yes = "yes",
    }
}

file_arguments! {
    /// Sends an HTTP request from the host.
    pub(super) struct Args {
        /// Where to.
        url: String,
        /// Method of the request.
        method: String = "GET".to_owned(),
        /// Body of the request.
        body: Option<Value>,
        /// How the body is written.
        body_format: Format = Format::Raw,
        /// File whose content is the body.
        src: Option<PathBuf>,
        /// src is a file of the host.
        remote_src: bool = false,
        /// Status codes that are fine.
        status_code: Vec<i64> = vec![200],
        /// Return the content of the answer.
        return_content: bool = false,
        /// File or directory that the content is written to.
        dest: Option<PathBuf>,
        /// Headers of the request.
        headers: Option<BTreeMap<String, String>>,
        /// User for the server.
        url_username: Option<String> ["user"],
        /// Password for the server.
        url_password: Option<String> ["password"],
        /// Send user and password without being asked.
        force_basic_auth: bool = false,
        /// Which redirects are followed.
        follow_redirects: Follow = Follow::Safe,
        /// Seconds to wait for the server.
        timeout: i64 = 30,
        /// File on the host; nothing is sent if it exists.
        creates: Option<PathBuf>,
        /// File on the host; nothing is sent if it does not exist.
        removes: Option<PathBuf>,
        /// Check the server's certificate.
        validate_certs: bool = true,
        /// Certificate to show to the server, PEM.
        client_cert: Option<PathBuf>,
        /// Key of the certificate, PEM.
        client_key: Option<PathBuf>,
        /// Authorities to trust, PEM.
        ca_path: Option<PathBuf>,
        /// Local socket to send the request to.
        unix_socket: Option<PathBuf>,
        /// Use the proxy that the environment names.
        use_proxy: bool = true,
        /// How we call ourselves.
        http_agent: String = "ansible-httpget".to_owned(),
        /// Do not accept cached answers.
        force: bool = false,
        /// Headers that redirects do not get; none do, here.
        unredirected_headers: Vec<String> = Vec::new(),
        /// Accepted for old playbooks; compressed answers are always unpacked.
        decompress: bool = true,
        /// Accepted for old playbooks.
        ciphers: Option<Vec<String>>,
        /// Accepted for old playbooks.
        use_gssapi: bool = false,
        /// Accepted for old playbooks.
        use_netrc: bool = true,
    }
}

pub(super) struct UriModule;

pub(super) struct Plan {
    call: Call,
    /// The body is the first blob.
    blob_body: bool,
    fine: Vec<i64>,
    return_content: bool,
    destination: Option<PathBuf>,
    wanted: Settled,
}

impl Module for UriModule {
    const NAME: &'static str = "uri";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let plan = Plan {
            call: call(args, look)?,
            blob_body: args.src.is_some() && !look.blobs().is_empty(),
            fine: args.status_code.clone(),
            return_content: args.return_content,
            destination: args.dest.clone(),
            wanted: args.attributes().settle(look)?,
        };
        let guards = Guards {
            creates: args.creates.as_deref().and_then(|path| path.to_str()),
            removes: args.removes.as_deref().and_then(|path| path.to_str()),
            directory: None,
        };
        verdict(&guards, look, &Value::Null, plan)
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        let (method, url) = (&plan.call.method, &plan.call.url);
        vec![Diff::prepared(format!("{method} {url}\n"))]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let mut call = plan.call;
        if plan.blob_body {
            let mut staged = touch.stage(&std::env::temp_dir())?;
            touch.fill(&mut staged, 0)?;
            call.body = touch.read(staged.path())?;
        }
        let started = Instant::now();
        let fine = plan
            .fine
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        let mut answer = call.send(touch).map_err(|failure| {
            Failure::new(format!(
                "Status code was -1 and not [{fine}]: {}",
                failure.message
            ))
            .with("status", -1)
            .with("url", call.url.as_str())
            .with("redirected", false)
            .with("elapsed", started.elapsed().as_secs())
        })?;
        let mut content = Vec::new();
        let read = answer.body.by_ref().take(MOST).read_to_end(&mut content);
        if call.method.to_uppercase() != "HEAD" {
            read.explain(format_args!("read the answer of {}", call.url))?;
        }
        let status = i64::from(answer.status);
        let text = String::from_utf8_lossy(&content).into_owned();
        let is_fine = plan.fine.contains(&status);
        let mut result = result_of(&call, &answer, content.len())
            .with("elapsed", started.elapsed().as_secs())
            .changed(false);
        if is_json(&answer)
            && let Ok(value) = serde_json::from_str::<Value>(&text)
        {
            result = result.with("json", value);
        }
        if plan.return_content || !is_fine {
            result = result.with("content", text.as_str());
        }
        if !is_fine {
            let reason = answer.reason;
            let message = format!(
                "Status code was {status} and not [{fine}]: {} {} answered {status} {reason}",
                call.method, call.url
            );
            result.values.shift_remove("msg");
            return Err(Failure::new(message).with_values(result));
        }
        let Some(destination) = plan.destination else {
            return Ok(result);
        };
        let path = if destination.is_dir() {
            destination.join(file_name(&answer.url).unwrap_or_else(|| "index.html".to_owned()))
        } else {
            destination
        };
        let same = path.is_file() && touch.sha1(&path)? == sha1_of(&content);
        let changed = if same {
            touch.settle(&path, &plan.wanted)?
        } else {
            let mut staged = touch.stage(parent(&path))?;
            staged.write(&content)?;
            touch.place(staged, &path, &plan.wanted)?;
            true
        };
        let result = result.with("path", path.to_string_lossy()).changed(changed);
        Ok(describe(touch, &path, result))
    }
}

fn call(args: &Args, look: &Look) -> Result<Call, Failure> {
    let mut headers: Vec<(String, String)> = args
        .headers
        .iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let has = |headers: &[(String, String)], name: &str| {
        headers
            .iter()
            .any(|(key, _)| key.eq_ignore_ascii_case(name))
    };
    let mut body = None;
    if let Some(value) = &args.body {
        let (bytes, kind) = encode(value, args.body_format)?;
        if let Some(kind) = kind
            && !has(&headers, "content-type")
        {
            headers.push(("Content-Type".to_owned(), kind));
        }
        body = Some(bytes);
    }
    if let Some(src) = &args.src
        && look.blobs().is_empty()
    {
        if args.body.is_some() {
            return Err("body and src cannot be used together".into());
        }
        body = look.read(src)?;
        if body.is_none() && !look.is_check() {
            return Err(Failure::new(format!(
                "src {} does not exist on this host",
                src.display()
            )));
        }
    }
    if args.force && !has(&headers, "cache-control") {
        headers.push(("Cache-Control".to_owned(), "no-cache".to_owned()));
    }
    let method = args.method.to_uppercase();
    let follow = match args.follow_redirects {
        Follow::All | Follow::Yes | Follow::Urllib2 => true,
        Follow::No | Follow::None => false,
        Follow::Safe => method == "GET" || method == "HEAD",
    };
    Ok(Call {
        file: None,
        method,
        url: args.url.trim().to_owned(),
        headers,
        body,
        timeout: Duration::from_secs(u64::try_from(args.timeout).unwrap_or(30).max(1)),
        follow,
        validate: args.validate_certs,
        authorities: args.ca_path.clone(),
        client_certificate: args.client_cert.clone(),
        client_key: args.client_key.clone(),
        user: args.url_username.clone(),
        password: args.url_password.clone(),
        force_auth: args.force_basic_auth,
        use_proxy: args.use_proxy,
        socket: args.unix_socket.clone(),
        agent: args.http_agent.clone(),
    }
    .discreet())
}

/// The body as bytes, and its content type.
fn encode(value: &Value, format: Format) -> Result<(Vec<u8>, Option<String>), Failure> {
    Ok(match format {
        Format::Raw => {
            let text = coerce::text(value)?;
            (text.into_bytes(), None)
        }
        Format::Json => {
            let text = match value {
                // Text is taken for JSON already.
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (text.into_bytes(), Some("application/json".to_owned()))
        }
        Format::Form => {
            let kind = "application/x-www-form-urlencoded".to_owned();
            (form(value)?.into_bytes(), Some(kind))
        }
        Format::Multipart => {
            let Value::Object(fields) = value else {
                return Err("body must be a mapping with body_format: form-multipart".into());
            };
            let boundary = "----------------ocplay-7f3a9c51e2d84b60";
            let kind = format!("multipart/form-data; boundary={boundary}");
            (multipart(fields, boundary)?, Some(kind))
        }
    })
}

fn form(value: &Value) -> Result<String, Failure> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut add = |key: &str, value: &Value| -> Result<(), Failure> {
        match value {
            Value::Array(items) => {
                for item in items {
                    pairs.push((key.to_owned(), coerce::text(item)?));
                }
            }
            other => pairs.push((key.to_owned(), coerce::text(other)?)),
        }
        Ok(())
    };
    match value {
        Value::String(text) => return Ok(text.clone()),
        Value::Object(map) => {
            for (key, value) in map {
                add(key, value)?;
            }
        }
        Value::Array(items) => {
            for item in items {
                match item {
                    Value::Array(pair) if pair.len() == 2 => {
                        add(&coerce::text(&pair[0])?, &pair[1])?;
                    }
                    _ => return Err("a list as a form must hold pairs of name and value".into()),
                }
            }
        }
        _ => return Err("a form is a mapping, a list of pairs or text".into()),
    }
    let encoded: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{}={}", percent(key), percent(value)))
        .collect();
    Ok(encoded.join("&"))
}

fn multipart(fields: &Map<String, Value>, boundary: &str) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    for (name, value) in fields {
        let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"");
        let content = match value {
            Value::Object(part) => {
                let text = |key: &str| part.get(key).and_then(Value::as_str);
                let file = text("filename");
                let content = match (text("content"), file) {
                    (Some(content), _) => content.as_bytes().to_vec(),
                    (None, Some(file)) => {
                        std::fs::read(file).explain(format_args!("read {file}"))?
                    }
                    (None, None) => {
                        return Err(Failure::new(format!(
                            "the part '{name}' of the body needs content or filename"
                        )));
                    }
                };
                if let Some(file) = file {
                    let base = file.rsplit('/').next().unwrap_or(file);
                    head.push_str(&format!("; filename=\"{base}\""));
                }
                let fallback = file.map(|_| "application/octet-stream");
                if let Some(kind) = text("mime_type").or(fallback) {
                    head.push_str(&format!("\r\nContent-Type: {kind}"));
                }
                content
            }
            other => coerce::text(other)?.into_bytes(),
        };
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(&content);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(out)
}

fn is_json(answer: &Answer) -> bool {
    let kind = answer.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.ends_with("/json") || kind.ends_with("+json") || kind.ends_with("/javascript")
}

fn result_of(call: &Call, answer: &Answer, size: usize) -> Return {
    let mut result = Return::new()
        .with("status", answer.status)
        .with("url", answer.url.as_str())
        .with(
            "redirected",
            answer.url.trim_end_matches('/') != call.url.trim_end_matches('/'),
        )
        .with("msg", format!("OK ({size} bytes)"));
    let mut cookies = Map::new();
    for (name, value) in &answer.headers {
        if name == "set-cookie"
            && let Some((key, rest)) = value.split_once('=')
        {
            let value = rest.split(';').next().unwrap_or_default();
            cookies.insert(key.trim().to_owned(), json!(value));
        }
        let key = name.replace('-', "_");
        let value = match result.values.get(&key).and_then(Value::as_str) {
            Some(before) if name != "status" => format!("{before}, {value}"),
            _ => value.clone(),
        };
        // A header must not take the place of our own values.
        if !["status", "url", "redirected", "msg", "json", "content"].contains(&key.as_str()) {
            result = result.with(&key, value);
        }
    }
    let line: Vec<String> = cookies
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    result
        .with("cookies", cookies)
        .with("cookies_string", line.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: &Value, format: Format) -> String {
        String::from_utf8(encode(value, format).unwrap().0).unwrap()
    }

    #[test]
    fn bodies() {
        assert_eq!(encoded(&json!({"a": 1}), Format::Json), r#"{"a":1}"#);
        assert_eq!(encoded(&json!("{}"), Format::Json), "{}");
        assert_eq!(
            encoded(&json!({"a": "x y", "b": [1, 2]}), Format::Form),
            "a=x+y&b=1&b=2"
        );
        assert_eq!(
            encoded(&json!([["a", "1"], ["a", "2"]]), Format::Form),
            "a=1&a=2"
        );
        assert_eq!(encoded(&json!("raw"), Format::Raw), "raw");
        let text = encoded(
            &json!({"f": {"content": "C", "filename": "a/b.txt", "mime_type": "text/plain"}, "v": 1}),
            Format::Multipart,
        );
        assert!(
            text.contains(
                "name=\"f\"; filename=\"b.txt\"\r\nContent-Type: text/plain\r\n\r\nC\r\n"
            )
        );
        assert!(text.ends_with("--\r\n"));
        assert!(encode(&json!(1), Format::Multipart).is_err());
    }
}
