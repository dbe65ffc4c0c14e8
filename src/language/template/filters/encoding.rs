//! JSON, YAML, base64, hashes and addresses of the web.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE};
use minijinja::Error;

use super::Row;
use crate::profile::Profile;
use crate::source::{Source, Span};
use crate::template::args::Args;
use crate::template::json::{self, Layout};
use crate::template::run::Vm;
use crate::template::yaml_text;
use crate::template::{Jinja, charset, context, convert, python, trust};
use crate::value::Value;

const TO_YAML: &str =
    "value indent width sort_keys default_flow_style allow_unicode explicit_start explicit_end **";

pub(super) const ROWS: &[Row] = &[
    ("to_json", "value indent sort_keys ensure_ascii **", to_json),
    (
        "to_nice_json",
        "value indent sort_keys ensure_ascii **",
        to_nice_json,
    ),
    ("tojson", "value indent", to_html_json),
    ("from_json", "value profile **", from_json),
    ("to_yaml", TO_YAML, |_, args| to_yaml(args, false)),
    ("to_nice_yaml", TO_YAML, |_, args| to_yaml(args, true)),
    ("from_yaml", "value", from_yaml),
    ("from_yaml_all", "value", from_yaml_all),
    ("b64encode", "value encoding urlsafe", b64encode),
    ("b64decode", "value encoding urlsafe", b64decode),
    ("urlencode", "value", urlencode),
    ("urldecode", "value", |_, args| {
        Ok(Jinja::from(unquote(&args.text(0)?)))
    }),
    ("urlsplit", "value query", urlsplit),
];

/// A value of the language back inside a template; text in it stays text.
pub(super) fn inside(value: &Value) -> Result<Jinja, Error> {
    let context = context::current().ok_or_else(|| python::fail("no template is running"))?;
    Ok(context.fresh(&plain(value)))
}

/// What was read from text is never evaluated.
fn plain(value: &Value) -> Value {
    match value {
        Value::Template(template) => Value::Str(template.text.clone()),
        Value::Trusted(text) => Value::Str(text.clone()),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Map(map) => Value::from(
            map.iter()
                .map(|(key, item)| (key.clone(), plain(item)))
                .collect::<crate::value::Map>(),
        ),
        other => other.clone(),
    }
}

fn layout(args: &Args<'_>, base: Layout) -> Result<Layout, Error> {
    let indent = match args.some(1) {
        Some(_) => Some(usize::try_from(args.int(1, 0)?.clamp(0, 100)).unwrap_or(0)),
        None => base.indent,
    };
    Ok(Layout {
        indent,
        sort_keys: args.flag(2, base.sort_keys)?,
        ascii: args.flag(3, base.ascii)?,
        separators: separators(args, indent.is_some())?,
    })
}

/// What stands between items, and between a key and its value.
fn separators(args: &Args<'_>, lines: bool) -> Result<(String, String), Error> {
    let given = args.extra().find(|(name, _)| *name == "separators");
    match given {
        Some((_, value)) if !value.is_none() => match &python::items(value)?[..] {
            [item, key] => Ok((python::text(item)?, python::text(key)?)),
            _ => Err(args.fail("separators needs two texts")),
        },
        _ => Ok((if lines { "," } else { ", " }.to_owned(), ": ".to_owned())),
    }
}

/// JSON that may stand inside HTML.
fn to_html_json(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let mut layout = Layout::plain();
    layout.sort_keys = true;
    if args.some(1).is_some() {
        layout.indent = usize::try_from(args.int(1, 0)?.clamp(0, 100)).ok();
        layout.separators.0 = ",".to_owned();
    }
    let text = json::write(&convert::settle(args.need(0)?)?, &layout)?;
    Ok(Jinja::from(
        text.replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
            .replace('\'', "\\u0027"),
    ))
}

fn to_json(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let layout = layout(args, Layout::plain())?;
    let value = profiled(args, convert::settle(args.need(0)?)?)?;
    json::write(&value, &layout).map(Jinja::from)
}

/// A value as the profile that was asked for writes it.
fn profiled(args: &Args<'_>, value: Value) -> Result<Value, Error> {
    match args.extra().find(|(name, _)| *name == "profile") {
        Some((_, profile)) if !profile.is_none() => {
            let profile =
                Profile::named(&python::text(profile)?).map_err(|reason| args.fail(reason))?;
            Ok(profile.encode(&value))
        }
        _ => Ok(value),
    }
}

fn to_nice_json(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let base = Layout {
        indent: Some(4),
        sort_keys: true,
        ..Layout::plain()
    };
    let value = profiled(args, convert::settle(args.need(0)?)?)?;
    json::write(&value, &layout(args, base)?).map(Jinja::from)
}

fn from_json(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let value = args.need(0)?;
    let text = value
        .as_str()
        .ok_or_else(|| args.fail(format!("text is needed, not {}", python::type_name(value))))?;
    let json = serde_json::from_str(text)
        .map_err(|error| args.fail(format!("the text is no JSON: {error}")))?;
    let context = context::current().ok_or_else(|| args.fail("no template is running"))?;
    match args.some(1) {
        None => match marked(&json) {
            None => Ok(context.fresh(&Value::from_json(&json))),
            Some(name) => Err(args.fail(format!(
                "Object of type '{name}' is not JSON deserializable by the 'tagless' profile."
            ))),
        },
        Some(profile) => {
            let decoded = Profile::named(&python::text(profile)?)
                .and_then(|profile| {
                    profile.decode(&json, trust::is_trusted(value), &Span::nowhere())
                })
                .map_err(|reason| args.fail(reason))?;
            Ok(context.fresh(&decoded))
        }
    }
}

/// A mark of Ansible's own JSON in a text that is to have none.
fn marked(json: &serde_json::Value) -> Option<&'static str> {
    const MARKS: [&str; 3] = ["__ansible_unsafe", "__ansible_vault", "__ansible_type"];
    match json {
        serde_json::Value::Object(map) => MARKS
            .into_iter()
            .find(|mark| map.contains_key(*mark))
            .or_else(|| map.values().find_map(marked)),
        serde_json::Value::Array(items) => items.iter().find_map(marked),
        _ => None,
    }
}

fn from_yaml(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let value = args.need(0)?;
    let Some(text) = value.as_str() else {
        return Ok(value.clone());
    };
    if text.trim().is_empty() {
        return Ok(Jinja::from(()));
    }
    let source = Source::new("", text);
    let (node, _) = crate::yaml::parse_one(&source)
        .map_err(|error| args.fail(format!("the text is no YAML: {}", error.message)))?;
    inside(&node.value())
}

fn from_yaml_all(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let text = args.text(0)?;
    let source = Source::new("", text);
    let parsed = crate::yaml::parse(&source)
        .map_err(|error| args.fail(format!("the text is no YAML: {}", error.message)))?;
    parsed
        .documents
        .iter()
        .map(|node| inside(&node.value()))
        .collect::<Result<Vec<_>, _>>()
        .map(python::list)
}

fn to_yaml(args: &Args<'_>, nice: bool) -> Result<Jinja, Error> {
    let size = |index, default| {
        Ok::<_, Error>(usize::try_from(args.int(index, default)?.max(0)).unwrap_or(0))
    };
    let indent = size(1, if nice { 4 } else { 2 })?;
    let width = size(2, 80)?;
    let layout = yaml_text::Layout {
        // What PyYAML makes of senseless values.
        indent: if (2..10).contains(&indent) { indent } else { 2 },
        width: if width > indent * 2 { width } else { 80 },
        flow: match args.some(4) {
            Some(flow) => Some(flow.is_true()),
            None if nice => Some(false),
            None => None,
        },
        sort_keys: args.flag(3, true)?,
        unicode: args.flag(5, true)?,
        explicit_start: args.flag(6, false)?,
        explicit_end: args.flag(7, false)?,
    };
    yaml_text::write(&convert::settle(args.need(0)?)?, &layout).map(Jinja::from)
}

fn b64encode(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let value = args.need(0)?;
    let urlsafe = args.flag(2, false)?;
    let bytes = match value.as_bytes().filter(|_| value.as_str().is_none()) {
        Some(bytes) => bytes.to_vec(),
        None => charset::encode(&args.text(0)?, &args.text_or(1, "utf-8")?)?,
    };
    Ok(Jinja::from(if urlsafe {
        URL_SAFE.encode(bytes)
    } else {
        STANDARD.encode(bytes)
    }))
}

/// Other characters than those of the alphabet count for nothing.
const RELAXED: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

fn b64decode(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let urlsafe = args.flag(2, false)?;
    let text: String = args
        .text(0)?
        .chars()
        .map(|c| match c {
            '-' if urlsafe => '+',
            '_' if urlsafe => '/',
            c => c,
        })
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='))
        .collect();
    let padded = text.len().is_multiple_of(4);
    let text = text.trim_end_matches('=');
    if !padded {
        return Err(args.fail("Incorrect padding"));
    }
    let bytes = GeneralPurpose::new(&base64::alphabet::STANDARD, RELAXED)
        .decode(text)
        .map_err(|error| args.fail(format!("the text is no base64: {error}")))?;
    charset::decode(&bytes, &args.text_or(1, "utf-8")?).map(Jinja::from)
}

/// Percent-encodes everything that is neither unreserved nor listed.
fn quote(text: &str, safe: &str, plus: bool) -> String {
    let mut result = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if byte.is_ascii_alphanumeric()
            || "_.-~".contains(c)
            || (byte.is_ascii() && safe.contains(c))
        {
            result.push(c);
        } else if plus && c == ' ' {
            result.push('+');
        } else {
            result.push_str(&format!("%{byte:02X}"));
        }
    }
    result
}

fn urlencode(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let value = args.need(0)?;
    if python::is_map(value) || python::is_list(value) {
        let pairs = crate::template::objects::entries_of(value)?
            .iter()
            .map(|(key, item)| {
                Ok(format!(
                    "{}={}",
                    quote(&python::text(key)?, "", true),
                    quote(&python::text(item)?, "", true)
                ))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        return Ok(Jinja::from(pairs.join("&")));
    }
    Ok(Jinja::from(quote(&args.text(0)?, "/", false)))
}

fn unquote(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut result = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text
            .get(at + 1..at + 3)
            .filter(|_| bytes[at] == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(byte) => {
                result.push(byte);
                at += 3;
            }
            None => {
                result.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&result).into_owned()
}

fn urlsplit(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let url = args.text(0)?;
    let (rest, fragment) = url.split_once('#').unwrap_or((&url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, rest))
            if !scheme.is_empty()
                && scheme
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) =>
        {
            (scheme, rest)
        }
        _ => ("", rest),
    };
    let (netloc, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (userinfo, host) = netloc.rsplit_once('@').unwrap_or(("", netloc));
    let (username, password) = match userinfo.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (userinfo, None),
    };
    let (hostname, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':')),
        None => match host.rsplit_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let text_or_none = |text: Option<&str>| {
        text.filter(|text| !text.is_empty())
            .map_or_else(|| Jinja::from(()), Jinja::from)
    };
    let port = port.and_then(|port| port.parse::<u16>().ok());
    let parts = [
        ("fragment", Jinja::from(fragment)),
        ("hostname", text_or_none(Some(&hostname.to_lowercase()))),
        ("netloc", Jinja::from(netloc)),
        ("password", text_or_none(password)),
        ("path", Jinja::from(path)),
        ("port", port.map_or_else(|| Jinja::from(()), Jinja::from)),
        ("query", Jinja::from(query)),
        ("scheme", Jinja::from(scheme.to_lowercase())),
        ("username", text_or_none(Some(username))),
    ];
    match args.some(1) {
        None => Ok(python::record(parts)),
        Some(_) => {
            let wanted = args.text(1)?;
            parts
                .into_iter()
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| value)
                .ok_or_else(|| args.fail(format!("unknown URL component: '{wanted}'")))
        }
    }
}
