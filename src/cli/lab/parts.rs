//! Which part of the range the lab of a test takes.
//!
//! Labs of inventories say which part is theirs. A test says how many hosts
//! it needs and gets a part that nobody uses; a file keeps it taken until the
//! lab is down.

use std::path::{Path, PathBuf};

use super::Outcome;
use super::network::Network;
use super::shell::{self, ip, problem};

const FOLDER: &str = "/run/ocplay-lab/parts";

/// Takes a part with room for so many hosts, for the lab of a name. The same lab gets the same part again.
pub(crate) fn take_part(lab: &str, hosts: usize) -> Outcome<String> {
    shell::make_folder(Path::new(FOLDER))?;
    if let Ok(taken) = std::fs::read_to_string(file(lab)) {
        let fits = Network::parse(taken.trim()).is_some_and(|part| part.hosts() >= hosts);
        if fits {
            return Ok(taken.trim().to_owned());
        }
        give_back(lab);
    }
    let lock = std::fs::File::create(Path::new(FOLDER).with_extension("lock"))
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|error| problem(format!("addresses cannot be shared out: {error}")))?;
    let others = taken();
    for part in Network::parts(hosts) {
        let text = part.to_string();
        if others.iter().any(|other| other.overlaps(part)) || in_use(part)? {
            continue;
        }
        shell::write(&file(lab), &text)?;
        drop(lock);
        return Ok(text);
    }
    Err(problem(format!(
        "no part of {} is left for {hosts} hosts",
        Network::WHOLE
    ))
    .help("take another lab or test down: ocplay test destroy --all")
    .into())
}

/// The lab is down.
pub(super) fn give_back(lab: &str) {
    // A lab of an inventory has none.
    std::fs::remove_file(file(lab)).ok();
}

fn file(lab: &str) -> PathBuf {
    Path::new(FOLDER).join(lab)
}

fn taken() -> Vec<Network> {
    let entries = std::fs::read_dir(FOLDER).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
        .filter_map(|text| Network::parse(text.trim()))
        .collect()
}

/// Whether this machine has an address in it, or a way to a larger part that holds it.
fn in_use(part: Network) -> Outcome<bool> {
    let addresses = ip(&["-o", "-4", "route", "show", "table", "main"])?;
    Ok(addresses
        .lines()
        .filter_map(|line| Network::parse(line.split_whitespace().next()?))
        .any(|other| other.overlaps(part)))
}

/// The address of the n-th host of a part.
pub(crate) fn address(part: &str, index: usize) -> Option<std::net::Ipv4Addr> {
    let part = Network::parse(part)?;
    (index < part.hosts()).then(|| part.nth(u32::try_from(index).unwrap_or(u32::MAX)))
}
