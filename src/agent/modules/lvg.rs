//! `lvg`: volume groups of LVM.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::acts::{Acts, acting, command, need, state as state_diff};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, words};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State {
        Absent = "absent",
        Present = "present",
        Active = "active",
        Inactive = "inactive",
    }
}

ocplay_protocol::arguments! {
    /// Creates, grows, shrinks and removes volume groups of LVM.
    pub(super) struct Args {
        /// Name of the group.
        vg: String,
        /// Devices that it is made of.
        pvs: Option<Vec<PathBuf>>,
        /// Size of its pieces, in MiB or with a unit.
        pesize: String = "4".to_owned(),
        /// Options for pvcreate.
        pv_options: String = String::new(),
        /// Let it know that its devices grew.
        pvresize: bool = false,
        /// Options for vgcreate.
        vg_options: String = String::new(),
        /// Wanted state.
        state: State = State::Present,
        /// Remove it with everything in it.
        force: bool = false,
        /// Give it a new UUID. Not supported.
        reset_vg_uuid: bool = false,
        /// Give its devices new UUIDs. Not supported.
        reset_pv_uuid: bool = false,
        /// Take devices out of it that are not named.
        remove_extra_pvs: bool = true,
    }
}

pub(super) struct Lvg;

/// A report of LVM, whose rows are JSON.
pub(super) fn report(look: &Look, words: &[&str], rows: &str) -> Result<Vec<Value>, Failure> {
    let mut argv = words.to_vec();
    argv.extend(["--reportformat", "json", "--units", "b", "--nosuffix"]);
    let output = look.query(argv)?;
    if !output.ok() {
        let message = format!("{} failed: {}", words[0], output.complaint());
        return Err(output.failure(message));
    }
    let answer: Value = serde_json::from_str(&output.out())
        .map_err(|error| Failure::new(format!("{} gave no JSON: {error}", words[0])))?;
    Ok(answer["report"][0][rows]
        .as_array()
        .cloned()
        .unwrap_or_default())
}

fn real(path: &Path) -> String {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    path.to_string_lossy().into_owned()
}

impl Module for Lvg {
    const NAME: &'static str = "lvg";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        if args.reset_vg_uuid || args.reset_pv_uuid {
            return Err(
                "reset_vg_uuid and reset_pv_uuid are not supported; run vgchange --uuid".into(),
            );
        }
        need(look, "vgs", "lvm2")?;
        let vg = args.vg.as_str();
        let groups = report(look, &["vgs", "-o", "vg_name,lv_count"], "vg")?;
        let is = groups.iter().find(|group| group["vg_name"] == vg);
        let mut acts = Acts::new(Return::new());
        let what = |verb: &str| format!("{verb} the volume group {vg}");
        if args.state == State::Absent {
            if let Some(is) = is {
                if is["lv_count"] != "0" && !args.force {
                    return Err(Failure::new(format!(
                        "Refuse to remove non-empty volume group {vg} without force=true"
                    )));
                }
                acts.diff(state_diff(vg, "present", ""));
                acts.run(
                    command(["vgremove", "--force", "--yes", vg]),
                    what("remove"),
                );
            }
            return Ok(acts.verdict());
        }
        if let State::Active | State::Inactive = args.state {
            if is.is_none() {
                return Err(Failure::new(format!("Volume group {vg} does not exist.")));
            }
            let volumes = report(look, &["lvs", "-o", "lv_name,lv_active", vg], "lv")?;
            let on = args.state == State::Active;
            let differs = volumes
                .iter()
                .any(|volume| (volume["lv_active"] == "active") != on);
            if differs {
                let flag = if on { "y" } else { "n" };
                acts.diff(state_diff(vg, "", args.state.word()));
                acts.run(
                    command(["vgchange", "--activate", flag, vg]),
                    what("switch"),
                );
            }
            return Ok(acts.verdict());
        }
        let pvs = args.pvs.clone().unwrap_or_default();
        if pvs.is_empty() {
            return match is {
                Some(_) => Ok(acts.verdict()),
                None => Err("No physical volumes given.".into()),
            };
        }
        for device in &pvs {
            if look.stat(device)?.is_none() {
                return Err(Failure::new(format!(
                    "Device {} not found.",
                    device.display()
                )));
            }
        }
        let wanted: Vec<String> = pvs.iter().map(|device| real(device)).collect();
        let known = report(
            look,
            &[
                "pvs",
                "-o",
                "pv_name,vg_name,dev_size,pv_size,pe_start,vg_extent_size",
            ],
            "pv",
        )?;
        let name = |row: &Value| real(Path::new(row["pv_name"].as_str().unwrap_or_default()));
        for row in &known {
            let owner = row["vg_name"].as_str().unwrap_or_default();
            if wanted.contains(&name(row)) && !owner.is_empty() && owner != vg {
                return Err(Failure::new(format!(
                    "Device {} is already in {owner} volume group.",
                    name(row)
                )));
            }
        }
        let members: Vec<String> = known
            .iter()
            .filter(|row| row["vg_name"] == vg)
            .map(name)
            .collect();
        let prepare = |acts: &mut Acts, device: &str| -> Result<(), Failure> {
            if known.iter().all(|row| name(row) != device) {
                let mut line = vec!["pvcreate".to_owned()];
                line.extend(words::split(&args.pv_options)?);
                line.extend(["--force".to_owned(), "--yes".to_owned(), device.to_owned()]);
                acts.run(command(line), format!("prepare {device}"));
            }
            Ok(())
        };
        if is.is_none() {
            for device in &wanted {
                prepare(&mut acts, device)?;
            }
            let mut line = vec!["vgcreate".to_owned()];
            line.extend(words::split(&args.vg_options)?);
            line.extend([
                "--physicalextentsize".to_owned(),
                args.pesize.clone(),
                vg.to_owned(),
            ]);
            line.extend(wanted.iter().cloned());
            acts.diff(state_diff(vg, "", &wanted.join("\n")));
            acts.run(command(line), what("create"));
            return Ok(acts.verdict());
        }
        let more: Vec<&String> = wanted
            .iter()
            .filter(|device| !members.contains(device))
            .collect();
        let fewer: Vec<&String> = members
            .iter()
            .filter(|device| args.remove_extra_pvs && !wanted.contains(device))
            .collect();
        for device in &more {
            prepare(&mut acts, device)?;
        }
        if !more.is_empty() || !fewer.is_empty() {
            acts.diff(state_diff(vg, &members.join("\n"), &wanted.join("\n")));
        }
        for (verb, devices) in [("vgextend", more), ("vgreduce", fewer)] {
            if !devices.is_empty() {
                let mut line = vec![verb, vg];
                line.extend(devices.iter().map(|device| device.as_str()));
                acts.run(command(line), what("change"));
            }
        }
        if args.pvresize {
            for row in known.iter().filter(|row| row["vg_name"] == vg) {
                let size = |key: &str| -> u64 {
                    row[key]
                        .as_str()
                        .and_then(|text| text.parse().ok())
                        .unwrap_or(0)
                };
                // What is left over is less than one piece.
                let spare = size("dev_size").saturating_sub(size("pe_start") + size("pv_size"));
                if spare >= size("vg_extent_size").max(1) {
                    let device = name(row);
                    acts.diff(state_diff(&device, "grown", "used"));
                    acts.run(command(["pvresize", &device]), format!("grow {device}"));
                }
            }
        }
        Ok(acts.verdict())
    }
}
