//! `yum_repository`: sources of packages for yum and dnf.

use std::path::PathBuf;

use serde_json::Value;

use super::acts::{Acts, acting};
use super::steps::{Body, Placement, Step, edit};
use super::{Module, Verdict};
use crate::host::attributes::file_arguments;
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}
ocplay_protocol::choices! {
    /// How several addresses are tried.
    pub(super) enum Failover { RoundRobin = "roundrobin", Priority = "priority" }
}
ocplay_protocol::choices! {
    /// What caches on the way may keep.
    pub(super) enum Caching { All = "all", Packages = "packages", None = "none" }
}
ocplay_protocol::choices! {
    /// Kinds of addresses that names are looked up for.
    pub(super) enum Resolve {
        Four = "4",
        Six = "6",
        V4 = "IPv4",
        V6 = "IPv6",
        Whatever = "whatever",
    }
}
ocplay_protocol::choices! {
    /// Whether packages are kept.
    pub(super) enum Keep { No = "0", Yes = "1" }
}
ocplay_protocol::choices! {
    /// When data that has expired will do.
    pub(super) enum Filter {
        Never = "never",
        Past = "read-only:past",
        Present = "read-only:present",
        Future = "read-only:future",
    }
}

file_arguments! {
    /// Adds and removes sources of packages for yum and dnf.
    pub(super) struct Args {
        /// Identifier of the source.
        name: String,
        /// Whether it shall be there.
        state: State = State::Present,
        /// Name for people.
        description: Option<String>,
        /// Addresses.
        baseurl: Option<Vec<String>>,
        /// Address of a file that lists mirrors with checksums.
        metalink: Option<String>,
        /// Address of a file that lists mirrors.
        mirrorlist: Option<String>,
        /// File in reposdir, without .repo; name by default.
        file: Option<String>,
        /// Directory of the files.
        reposdir: PathBuf = PathBuf::from("/etc/yum.repos.d"),
        /// Download in parallel.
        async_ as "async": Option<bool>,
        /// Most bytes a second.
        bandwidth: Option<String>,
        /// Cost compared with other sources.
        cost: Option<String>,
        /// Count this host among the source's users.
        countme: Option<bool>,
        /// Largest part of metadata that may come as differences.
        deltarpm_metadata_percentage: Option<String>,
        /// Largest part of a package that may come as differences.
        deltarpm_percentage: Option<String>,
        /// Whether the source is used.
        enabled: Option<bool>,
        /// Whether its groups are used.
        enablegroups: Option<bool>,
        /// Packages that are not used.
        exclude: Option<Vec<String>> ["excludepkgs"],
        /// How several addresses are tried.
        failovermethod: Option<Failover>,
        /// Address of the authority's key.
        gpgcakey: Option<String>,
        /// Check signatures of packages.
        gpgcheck: Option<bool>,
        /// Addresses of keys.
        gpgkey: Option<Vec<String>>,
        /// What caches on the way may keep.
        http_caching: Option<Caching>,
        /// Another file of settings.
        include: Option<String>,
        /// Only these packages are used.
        includepkgs: Option<Vec<String>>,
        /// Kinds of addresses that names are looked up for.
        ip_resolve: Option<Resolve>,
        /// Keep connections open.
        keepalive: Option<bool>,
        /// Whether packages are kept.
        keepcache: Option<Keep>,
        /// After which time data expires.
        metadata_expire: Option<String>,
        /// When data that has expired will do.
        metadata_expire_filter: Option<Filter>,
        /// After which time a list of mirrors expires.
        mirrorlist_expire: Option<String>,
        /// Packages may replace those of modules.
        module_hotfixes: Option<bool>,
        /// Password.
        password: Option<String>,
        /// Priority, 1 to 99.
        priority: Option<String>,
        /// Protect its packages from other sources.
        protect: Option<bool>,
        /// Proxy, or _none_.
        proxy: Option<String>,
        /// Password for the proxy.
        proxy_password: Option<String>,
        /// User for the proxy.
        proxy_username: Option<String>,
        /// Check the signature of the source's data.
        repo_gpgcheck: Option<bool>,
        /// How often a download is tried again.
        retries: Option<String>,
        /// Sources in S3.
        s3_enabled: Option<bool>,
        /// Go on if it cannot be had.
        skip_if_unavailable: Option<bool>,
        /// Check permissions of certificates.
        ssl_check_cert_permissions: Option<bool>,
        /// Authorities to trust.
        sslcacert: Option<String> ["ca_cert"],
        /// Certificate of this host.
        sslclientcert: Option<String> ["client_cert"],
        /// Key of that certificate.
        sslclientkey: Option<String> ["client_key"],
        /// Check certificates.
        sslverify: Option<bool> ["validate_certs"],
        /// Part of the bandwidth to use.
        throttle: Option<String>,
        /// Seconds to wait for a connection.
        timeout: Option<String>,
        /// Variables to show behind the identifier.
        ui_repoid_vars: Option<String>,
        /// User.
        username: Option<String>,
    }
}

pub(super) struct YumRepository;

/// Names and values as they stand in the file, in order of the names.
fn settings(args: &Args) -> Vec<(&'static str, String)> {
    let flag = |value: Option<bool>| value.map(|on| if on { "1" } else { "0" }.to_owned());
    let words = |value: &Option<Vec<String>>| value.as_ref().map(|all| all.join(" "));
    let lines = |value: &Option<Vec<String>>| value.as_ref().map(|all| all.join("\n    "));
    let mut all = vec![
        ("async", flag(args.async_)),
        ("bandwidth", args.bandwidth.clone()),
        ("baseurl", lines(&args.baseurl)),
        ("cost", args.cost.clone()),
        ("countme", flag(args.countme)),
        (
            "deltarpm_metadata_percentage",
            args.deltarpm_metadata_percentage.clone(),
        ),
        ("deltarpm_percentage", args.deltarpm_percentage.clone()),
        ("enabled", flag(args.enabled)),
        ("enablegroups", flag(args.enablegroups)),
        ("exclude", words(&args.exclude)),
        (
            "failovermethod",
            args.failovermethod.map(|word| word.word().to_owned()),
        ),
        ("gpgcakey", args.gpgcakey.clone()),
        ("gpgcheck", flag(args.gpgcheck)),
        ("gpgkey", lines(&args.gpgkey)),
        (
            "http_caching",
            args.http_caching.map(|word| word.word().to_owned()),
        ),
        ("include", args.include.clone()),
        ("includepkgs", words(&args.includepkgs)),
        (
            "ip_resolve",
            args.ip_resolve.map(|word| word.word().to_owned()),
        ),
        ("keepalive", flag(args.keepalive)),
        (
            "keepcache",
            args.keepcache.map(|word| word.word().to_owned()),
        ),
        ("metadata_expire", args.metadata_expire.clone()),
        (
            "metadata_expire_filter",
            args.metadata_expire_filter
                .map(|word| word.word().to_owned()),
        ),
        ("metalink", args.metalink.clone()),
        ("mirrorlist", args.mirrorlist.clone()),
        ("mirrorlist_expire", args.mirrorlist_expire.clone()),
        ("module_hotfixes", flag(args.module_hotfixes)),
        ("name", args.description.clone()),
        ("password", args.password.clone()),
        ("priority", args.priority.clone()),
        ("protect", flag(args.protect)),
        ("proxy", args.proxy.clone()),
        ("proxy_password", args.proxy_password.clone()),
        ("proxy_username", args.proxy_username.clone()),
        ("repo_gpgcheck", flag(args.repo_gpgcheck)),
        ("retries", args.retries.clone()),
        ("s3_enabled", flag(args.s3_enabled)),
        ("skip_if_unavailable", flag(args.skip_if_unavailable)),
        (
            "ssl_check_cert_permissions",
            flag(args.ssl_check_cert_permissions),
        ),
        ("sslcacert", args.sslcacert.clone()),
        ("sslclientcert", args.sslclientcert.clone()),
        ("sslclientkey", args.sslclientkey.clone()),
        ("sslverify", flag(args.sslverify)),
        ("throttle", args.throttle.clone()),
        ("timeout", args.timeout.clone()),
        ("ui_repoid_vars", args.ui_repoid_vars.clone()),
        ("username", args.username.clone()),
    ];
    all.sort_by_key(|(name, _)| *name);
    all.into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// The file without a section.
fn without(text: &str, name: &str) -> String {
    let header = format!("[{name}]");
    let mut out = String::new();
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        if line.starts_with('[') {
            inside = line.trim_end() == header;
        }
        if !inside {
            out.push_str(line);
        }
    }
    out
}

/// The file with a section in place of the one of that name, or at the end.
fn with(text: &str, name: &str, section: &str) -> String {
    let header = format!("[{name}]");
    let at = text
        .split_inclusive('\n')
        .scan(0, |at, line| {
            let start = *at;
            *at += line.len();
            Some((start, line))
        })
        .find(|(_, line)| line.trim_end() == header)
        .map(|(start, _)| start);
    let Some(at) = at else {
        let mut out = text.to_owned();
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(section);
        return out;
    };
    format!("{}{section}{}", &text[..at], without(&text[at..], name))
}

impl Module for YumRepository {
    const NAME: &'static str = "yum_repository";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let name = &args.name;
        if args.state == State::Present {
            if args.baseurl.is_none() && args.metalink.is_none() && args.mirrorlist.is_none() {
                return Err("Parameter 'baseurl', 'metalink' or 'mirrorlist' is required.".into());
            }
            if args.description.is_none() {
                return Err("Parameter 'description' is required.".into());
            }
        }
        if !args.reposdir.is_dir() {
            return Err(Failure::new(format!(
                "Repo directory '{}' does not exist.",
                args.reposdir.display()
            )));
        }
        let file = args.file.as_deref().unwrap_or(name);
        let path = args.reposdir.join(format!("{file}.repo"));
        let before = look.read_text(&path)?;
        let text = before.as_deref().unwrap_or_default();
        let after = match args.state {
            State::Absent => without(text, name),
            State::Present => {
                let lines: String = settings(args)
                    .into_iter()
                    .map(|(key, value)| format!("{key} = {value}\n"))
                    .collect();
                with(text, name, &format!("[{name}]\n{lines}\n"))
            }
        };
        let result = Return::new()
            .with("repo", name.as_str())
            .with("state", args.state.word());
        let mut acts = Acts::new(result);
        if args.state == State::Absent && after.trim().is_empty() {
            if before.is_some() && !text.trim().is_empty() {
                acts.diff(super::steps::content_diff(&path, text.as_bytes(), b""));
                acts.step(Step::Remove(path));
            }
            return Ok(acts.verdict());
        }
        if before.is_none() && after.is_empty() {
            return Ok(acts.verdict());
        }
        let placement = Placement {
            body: Body::Bytes(Vec::new()),
            path,
            wanted: args.attributes().settle(look)?,
            backup: false,
            validate: None,
        };
        let before = before.clone().map(String::into_bytes);
        let mut work = edit(look, before.as_deref(), after.into_bytes(), placement)?;
        let secret = args.password.is_some() || args.proxy_password.is_some();
        if secret && !work.diffs.is_empty() {
            work.diffs = vec![ocplay_protocol::Diff::data(
                &Value::Null,
                &Value::from("the source has a password and is not shown"),
            )];
        }
        acts.work(work);
        Ok(acts.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections() {
        let text = "[a]\nx = 1\n\n[b]\ny = 2\n\n";
        assert_eq!(without(text, "a"), "[b]\ny = 2\n\n");
        assert_eq!(
            with(text, "a", "[a]\nx = 3\n\n"),
            "[a]\nx = 3\n\n[b]\ny = 2\n\n"
        );
        assert_eq!(with("", "a", "[a]\n\n"), "[a]\n\n");
    }
}
