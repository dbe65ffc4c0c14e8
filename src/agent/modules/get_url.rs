//! `get_url`: a file from a web server.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use md5::Md5;
use ocplay_protocol::Diff;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::http::{Call, file_name};
use super::{Module, Verdict};
use crate::host::attributes::{describe, file_arguments};
use crate::host::{Explain, Failure, Look, Return, Settled, Touch, clock, digest, parent};

file_arguments! {
    /// Downloads a file to the host.
    pub(super) struct Args {
        /// Where from: http, https or file.
        url: String,
        /// Where to: a file, or a directory to put it in.
        dest: PathBuf,
        /// Compare with the server's file even if it is no newer than dest.
        force: bool ["thirsty"] = false,
        /// Hash that the file must have, as `sha256:hex`, or `sha256:` and the URL of a list.
        checksum: String = String::new(),
        /// Keep a copy of a file that is replaced.
        backup: bool = false,
        /// Directory for the download until it is complete; by default that of dest.
        tmp_dest: Option<PathBuf>,
        /// Seconds to wait for the server.
        timeout: i64 = 10,
        /// Headers of the request.
        headers: Option<BTreeMap<String, String>>,
        /// User for the server.
        url_username: Option<String> ["username"],
        /// Password for the server.
        url_password: Option<String> ["password"],
        /// Send user and password without being asked.
        force_basic_auth: bool = false,
        /// Check the server's certificate.
        validate_certs: bool = true,
        /// Certificate to show to the server, PEM.
        client_cert: Option<PathBuf>,
        /// Key of the certificate, PEM.
        client_key: Option<PathBuf>,
        /// Authorities to trust, PEM.
        ca_path: Option<PathBuf>,
        /// Use the proxy that the environment names.
        use_proxy: bool = true,
        /// How we call ourselves.
        http_agent: String = "ansible-httpget".to_owned(),
        /// Headers that redirects do not get; none do, here.
        unredirected_headers: Vec<String> = Vec::new(),
        /// Accepted for old playbooks.
        decompress: bool = true,
        /// Accepted for old playbooks.
        ciphers: Option<Vec<String>>,
        /// Accepted for old playbooks.
        use_gssapi: bool = false,
        /// Accepted for old playbooks.
        use_netrc: bool = true,
    }
}

pub(super) struct GetUrl;

/// A hash to compare with.
struct Expected {
    algorithm: String,
    hex: String,
}

pub(super) struct Plan {
    call: Call,
    destination: PathBuf,
    expected: Option<Expected>,
    wanted: Settled,
    /// Only the attributes differ.
    settle_only: bool,
    backup: bool,
    temporary: PathBuf,
    diff: Diff,
}

impl Module for GetUrl {
    const NAME: &'static str = "get_url";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let call = call(args);
        let found = look.stat(&args.dest)?;
        let is_directory = found.as_ref().is_some_and(|found| found.is_dir());
        let destination = if is_directory || args.dest.to_string_lossy().ends_with('/') {
            args.dest
                .join(file_name(&args.url).unwrap_or_else(|| "index.html".to_owned()))
        } else {
            args.dest.clone()
        };
        let found = look.stat(&destination)?;
        if found.as_ref().is_some_and(|found| found.is_dir()) {
            return Err(Failure::new(format!(
                "{} is a directory",
                destination.display()
            )));
        }
        let result = Return::new()
            .with("url", call.url.as_str())
            .with("dest", destination.to_string_lossy());
        let mut warning = None;
        if look.stat(parent(&destination))?.is_none() {
            let text = format!(
                "the directory {} does not exist; create it first with the file module",
                parent(&destination).display()
            );
            if !look.is_check() {
                return Err(text.into());
            }
            warning = Some(text);
        }
        let expected = match expected(&args.checksum, &destination, &call, look) {
            Ok(expected) => expected,
            Err(failure) if look.is_check() => {
                warning = Some(failure.message);
                None
            }
            Err(failure) => return Err(failure),
        };
        let wanted = args.attributes().settle(look)?;
        let have = match (&found, &expected) {
            (Some(_), Some(expected)) => hash(&expected.algorithm, &destination)? == expected.hex,
            (Some(found), None) => !args.force && !is_newer(&call, found, look),
            (None, _) => false,
        };
        let mut diff = Diff::text(
            &destination.display().to_string(),
            if found.is_some() { "(old file)\n" } else { "" },
            format!("(from {})\n", call.url),
        );
        if let (true, Some(metadata)) = (have, &found) {
            let Some(difference) = wanted.difference(look, &destination, metadata) else {
                let result = result.with("msg", "file already exists");
                return Ok(Verdict::Same(describe(look, &destination, result)));
            };
            diff = difference.diff(&destination);
        }
        let plan = Plan {
            call,
            temporary: args
                .tmp_dest
                .clone()
                .unwrap_or_else(|| parent(&destination).to_owned()),
            destination,
            expected,
            wanted,
            settle_only: have,
            backup: args.backup,
            diff,
        };
        let mut foreseen = result;
        if let Some(warning) = warning {
            foreseen = foreseen.warn(warning);
        }
        Ok(Verdict::Change(plan, foreseen))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        vec![plan.diff.clone()]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let destination = plan.destination.clone();
        let result = Return::new()
            .with("url", plan.call.url.as_str())
            .with("dest", destination.to_string_lossy());
        if plan.settle_only {
            touch.settle(&destination, &plan.wanted)?;
            let result = result.with("msg", "file already exists");
            return Ok(describe(touch, &destination, result));
        }
        let started = Instant::now();
        let mut answer = plan.call.send(touch)?;
        let status = answer.status;
        let failed = |text: String| {
            Failure::new(text)
                .with("url", plan.call.url.as_str())
                .with("status_code", status)
                .with("elapsed", started.elapsed().as_secs())
        };
        if !(200..300).contains(&status) {
            let (reason, url) = (answer.reason, &plan.call.url);
            return Err(failed(format!(
                "Request failed: {url} answered {status} {reason}"
            )));
        }
        let mut staged = touch.stage(&plan.temporary)?;
        let announced = answer
            .header("content-length")
            .filter(|_| answer.header("content-encoding").is_none())
            .and_then(|length| length.parse::<u64>().ok());
        let size = touch.pour(&mut staged, &mut answer.body)?;
        if announced.is_some_and(|announced| announced != size) {
            return Err(failed(format!(
                "the download broke off after {size} of {} bytes",
                announced.unwrap_or_default()
            )));
        }
        let sum = touch.sha1(staged.path())?;
        if let Some(expected) = &plan.expected {
            let is = hash(&expected.algorithm, staged.path())?;
            if is != expected.hex {
                return Err(failed(format!(
                    "the {} of what {} sent is {is}, not the expected {}; nothing was replaced",
                    expected.algorithm, plan.call.url, expected.hex
                )));
            }
        }
        let old = if destination.is_file() {
            Some(touch.sha1(&destination)?)
        } else {
            None
        };
        let mut result = result
            .with("checksum_src", sum.as_str())
            .with("checksum_dest", old.clone())
            .with("status_code", status)
            .with("msg", format!("OK ({size} bytes)"));
        let mut changed = old.as_deref() != Some(&sum);
        if changed {
            if plan.backup && old.is_some() {
                let backup = touch.backup(&destination)?;
                result = result.with("backup_file", backup.to_string_lossy());
            }
            // Across file systems a rename does not work.
            let staged = if plan.temporary == parent(&destination) {
                staged
            } else {
                let mut near = touch.stage(parent(&destination))?;
                touch.fill_from(&mut near, staged.path())?;
                near
            };
            touch.place(staged, &destination, &plan.wanted)?;
        } else {
            changed = touch.settle(&destination, &plan.wanted)?;
        }
        let result = result
            .with("elapsed", started.elapsed().as_secs())
            .changed(changed);
        Ok(describe(touch, &destination, result))
    }
}

/// Whether the server says that it has something newer than the file, or does
/// not say.
fn is_newer(call: &Call, found: &Metadata, look: &Look) -> bool {
    let modified = found.modified().ok();
    if let Some(source) = call.url.strip_prefix("file://") {
        let source = std::fs::metadata(source).and_then(|source| source.modified());
        return source.is_ok_and(|source| modified.is_none_or(|modified| source > modified));
    }
    let mut question = Call {
        method: "HEAD".to_owned(),
        ..call.clone()
    };
    if let Some(modified) = modified {
        let stamp = clock::http_date(modified);
        question
            .headers
            .push(("If-Modified-Since".to_owned(), stamp));
    }
    let Ok(answer) = question.send(look) else {
        // The download itself will tell what is wrong.
        return true;
    };
    if answer.status == 304 {
        return false;
    }
    let stamp = answer
        .header("last-modified")
        .and_then(clock::parse_http_date);
    match (stamp, modified) {
        (Some(stamp), Some(modified)) => stamp > modified,
        _ => true,
    }
}

fn call(args: &Args) -> Call {
    Call {
        url: args.url.trim().to_owned(),
        headers: args
            .headers
            .iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            // The body must come as it is on the server.
            .chain([("accept-encoding".to_owned(), "identity".to_owned())])
            .collect(),
        timeout: Duration::from_secs(u64::try_from(args.timeout).unwrap_or(10).max(1)),
        validate: args.validate_certs,
        authorities: args.ca_path.clone(),
        client_certificate: args.client_cert.clone(),
        client_key: args.client_key.clone(),
        user: args.url_username.clone(),
        password: args.url_password.clone(),
        force_auth: args.force_basic_auth,
        use_proxy: args.use_proxy,
        agent: args.http_agent.clone(),
        ..Call::default()
    }
    .discreet()
}

fn expected(
    text: &str,
    destination: &Path,
    call: &Call,
    look: &Look,
) -> Result<Option<Expected>, Failure> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let (algorithm, value) = text.split_once(':').ok_or_else(|| {
        Failure::new(format!(
            "checksum '{text}' must be of the form sha256:<hex or URL>"
        ))
    })?;
    let algorithm = algorithm.trim().to_ascii_lowercase();
    let value = value.trim();
    let hex = if value.contains("://") {
        let list = Call {
            url: value.to_owned(),
            ..call.clone()
        }
        .discreet();
        let mut answer = list.send(look)?;
        if answer.status != 200 {
            return Err(Failure::new(format!(
                "the list of checksums {value} answered {}",
                answer.status
            )));
        }
        let mut text = String::new();
        answer
            .body
            .by_ref()
            .take(1 << 20)
            .read_to_string(&mut text)
            .explain(format_args!("read {value}"))?;
        let names = [
            file_name(&call.url).unwrap_or_default(),
            destination
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
        ];
        from_list(&text, &names).ok_or_else(|| {
            Failure::new(format!(
                "{value} holds no checksum for {}",
                names.join(" or ")
            ))
        })?
    } else {
        value.to_ascii_lowercase()
    };
    if hex.is_empty() || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::new(format!("'{hex}' is no checksum in hex")));
    }
    Ok(Some(Expected { algorithm, hex }))
}

/// The hash of a file in the output of sha256sum and its like.
fn from_list(text: &str, names: &[String]) -> Option<String> {
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    if let [only] = &lines[..]
        && let [hex] = only[..]
    {
        return Some(hex.to_ascii_lowercase());
    }
    lines.iter().find_map(|words| {
        let [hex, name, ..] = words[..] else {
            return None;
        };
        let name = name.trim_start_matches('*').trim_start_matches("./");
        let base = name.rsplit('/').next().unwrap_or(name);
        names
            .iter()
            .any(|wanted| wanted == base)
            .then(|| hex.to_ascii_lowercase())
    })
}

/// Hash of a file by the name of the algorithm.
fn hash(algorithm: &str, path: &Path) -> Result<String, Failure> {
    let mut file = std::fs::File::open(path).explain(format_args!("read {}", path.display()))?;
    match algorithm {
        "md5" => digest::<Md5>(&mut file),
        "sha1" => digest::<Sha1>(&mut file),
        "sha224" => digest::<Sha224>(&mut file),
        "sha256" => digest::<Sha256>(&mut file),
        "sha384" => digest::<Sha384>(&mut file),
        "sha512" => digest::<Sha512>(&mut file),
        other => Err(Failure::new(format!(
            "checksums by '{other}' are not known; use md5, sha1, sha224, sha256, sha384 or sha512"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::from_list;

    #[test]
    fn lists_of_checksums() {
        let names = ["b.tar".to_owned()];
        assert_eq!(from_list("AB\n", &names).as_deref(), Some("ab"));
        let list = "11  a.tar\n22 *./dir/b.tar\n";
        assert_eq!(from_list(list, &names).as_deref(), Some("22"));
        assert_eq!(from_list("11  a.tar\n33 c\n", &names), None);
    }
}
