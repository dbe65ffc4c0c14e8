//! `lvol`: volumes of LVM.

use serde_json::Value;

use super::acts::{Acts, acting, command, need, state as state_diff};
use super::lvg::report;
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, words};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Absent = "absent", Present = "present" }
}

ocplay_protocol::arguments! {
    /// Creates, resizes, switches and removes volumes of LVM, snapshots and thin ones too.
    pub(super) struct Args {
        /// Volume group.
        vg: String,
        /// Name of the volume.
        lv: Option<String>,
        /// Size: a number with a unit (MiB without), a share such as 100%FREE, or +5g and -5g.
        size: Option<String>,
        /// Wanted state.
        state: State = State::Present,
        /// Whether it can be used.
        active: bool = true,
        /// Shrink or remove it although data may be lost.
        force: bool = false,
        /// Options for lvcreate.
        opts: Option<String>,
        /// Name of a snapshot of the volume.
        snapshot: Option<String>,
        /// Devices to put it on.
        pvs: Option<Vec<String>>,
        /// Name of a pool of thin volumes.
        thinpool: Option<String>,
        /// Shrink a volume that is larger.
        shrink: bool = true,
        /// Resize the file system with it.
        resizefs: bool = false,
    }
}

pub(super) struct Lvol;

/// A size as a playbook says it.
#[derive(Debug, PartialEq)]
enum Size {
    /// Bytes.
    Plain(f64),
    /// Share, and of what: VG, PVS, FREE, ORIGIN.
    Share(f64, String),
}

/// The sign of a change, and the size.
fn parse(text: &str) -> Result<(Option<char>, Size), Failure> {
    let wrong = || Failure::new(format!("Bad size specification of '{text}'"));
    let text_ = text.trim();
    let sign = text_.chars().next().filter(|c| matches!(c, '+' | '-'));
    let rest = text_.trim_start_matches(['+', '-']);
    if let Some((number, of)) = rest.split_once('%') {
        let of = of.to_uppercase();
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let known = matches!(of.as_str(), "VG" | "PVS" | "FREE" | "ORIGIN");
        let sane = (0.0..=100.0).contains(&number) || of == "ORIGIN";
        if !known || !sane {
            return Err(wrong());
        }
        return Ok((sign, Size::Share(number, of)));
    }
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (number, unit) = rest.split_at(end);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    // Capital letters are units of SI, as lvcreate has them in reports; for
    // sizes to make, both are powers of two.
    let factor: f64 = match unit.to_ascii_lowercase().as_str() {
        "b" => 1.0,
        "s" => 512.0,
        "k" => 1024.0,
        "" | "m" => 1024f64.powi(2),
        "g" => 1024f64.powi(3),
        "t" => 1024f64.powi(4),
        "p" => 1024f64.powi(5),
        "e" => 1024f64.powi(6),
        _ => return Err(wrong()),
    };
    Ok((sign, Size::Plain(number * factor)))
}

fn bytes(row: &Value, key: &str) -> f64 {
    row[key]
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0.0)
}

impl Module for Lvol {
    const NAME: &'static str = "lvol";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        need(look, "lvs", "lvm2")?;
        let vg = args.vg.as_str();
        let groups = report(
            look,
            &["vgs", "-o", "vg_name,vg_size,vg_free,vg_extent_size"],
            "vg",
        )?;
        let mut acts = Acts::new(Return::new());
        let Some(group) = groups.iter().find(|group| group["vg_name"] == vg) else {
            return match args.state {
                State::Absent => Ok(acts.verdict()),
                State::Present => Err(Failure::new(format!("Volume group {vg} does not exist."))),
            };
        };
        let volumes = report(
            look,
            &[
                "lvs",
                "-a",
                "-o",
                "lv_name,lv_size,lv_active,lv_attr,pool_lv",
                vg,
            ],
            "lv",
        )?;
        let plain = |row: &Value| {
            let name = row["lv_name"].as_str().unwrap_or_default();
            name.trim_matches(['[', ']']).to_owned()
        };
        let (name, origin) = match (&args.snapshot, &args.lv, &args.thinpool) {
            (Some(snapshot), Some(lv), _) => (snapshot.clone(), Some(lv.clone())),
            (None, Some(lv), _) => (lv.clone(), None),
            (None, None, Some(pool)) => (pool.clone(), None),
            _ => return Err("one of the following is required: lv, thinpool".into()),
        };
        if let Some(origin) = &origin
            && volumes.iter().all(|row| plain(row) != *origin)
        {
            return Err(Failure::new(format!(
                "Snapshot origin LV {origin} does not exist in volume group {vg}."
            )));
        }
        let is = volumes.iter().find(|row| plain(row) == name);
        let path = format!("{vg}/{name}");
        let what = |verb: &str| format!("{verb} the volume {path}");
        if args.state == State::Absent {
            if is.is_some() {
                if !args.force {
                    return Err(Failure::new(format!(
                        "Sorry, no removal of logical volume {name} without force=true."
                    )));
                }
                acts.diff(state_diff(&path, "present", ""));
                acts.run(
                    command(["lvremove", "--force", "--yes", &path]),
                    what("remove"),
                );
            }
            return Ok(acts.verdict());
        }
        let size = args.size.as_deref().map(parse).transpose()?;
        let extent = bytes(group, "vg_extent_size").max(1.0);
        let Some(is) = is else {
            let thin = args.thinpool.is_some() && args.lv.is_some() && origin.is_none();
            let of_thin = origin.is_some() && size.is_none();
            if size.is_none() && !of_thin {
                return Err(Failure::new(format!(
                    "No size given for the new volume {name}."
                )));
            }
            let mut line = vec!["lvcreate".to_owned(), "--yes".to_owned()];
            if let Some((sign, size)) = &size {
                if sign.is_some() {
                    return Err("Bad size specification: a new volume has nothing to add to".into());
                }
                match size {
                    Size::Share(share, of) if !thin => {
                        line.extend(["--extents".to_owned(), format!("{share}%{of}")]);
                    }
                    Size::Share(..) => {
                        return Err("Thin volume sizing with percentage not supported.".into());
                    }
                    Size::Plain(bytes) => {
                        let option = if thin { "--virtualsize" } else { "--size" };
                        line.extend([option.to_owned(), format!("{bytes:.0}b")]);
                    }
                }
            }
            match (&origin, &args.thinpool, &args.lv) {
                (Some(origin), _, _) => {
                    line.extend(["--snapshot".to_owned(), "--name".to_owned(), name.clone()]);
                    line.extend(words::split(args.opts.as_deref().unwrap_or_default())?);
                    line.push(format!("{vg}/{origin}"));
                }
                (None, Some(pool), Some(_)) => {
                    line.extend(["--name".to_owned(), name.clone()]);
                    line.extend(words::split(args.opts.as_deref().unwrap_or_default())?);
                    line.extend(["--thin".to_owned(), format!("{vg}/{pool}")]);
                }
                (None, pool, _) => {
                    if pool.is_some() {
                        line.push("--thin".to_owned());
                        line.push(path.clone());
                    } else {
                        line.extend(["--name".to_owned(), name.clone()]);
                    }
                    line.extend(words::split(args.opts.as_deref().unwrap_or_default())?);
                    if pool.is_none() {
                        line.push(vg.to_owned());
                    }
                    line.extend(args.pvs.iter().flatten().cloned());
                }
            }
            acts.diff(state_diff(
                &path,
                "",
                args.size.as_deref().unwrap_or("present"),
            ));
            acts.run(command(line), what("create"));
            if !args.active {
                acts.run(
                    command(["lvchange", "--activate", "n", &path]),
                    what("switch"),
                );
            }
            return Ok(acts.verdict());
        };
        let now = bytes(is, "lv_size");
        if let Some((sign, size)) = size {
            let free = bytes(group, "vg_free");
            let asked = match &size {
                Size::Plain(bytes) => *bytes,
                Size::Share(share, of) => {
                    let whole = match of.as_str() {
                        "VG" | "PVS" => bytes(group, "vg_size"),
                        // What is free and what it has already are its share.
                        "FREE" if sign.is_none() => free + now,
                        "FREE" => free,
                        _ => return Err("a share of ORIGIN is for new snapshots only".into()),
                    };
                    (whole * share / 100.0 / extent).floor() * extent
                }
            };
            let target = match sign {
                Some('+') => now + asked,
                Some(_) => now - asked,
                None => asked,
            };
            let target = (target / extent).ceil() * extent;
            let grows = target > now;
            let shrinks = target < now;
            if shrinks && !args.shrink && sign.is_none() {
                return Ok(acts.verdict());
            }
            if shrinks && target < extent {
                return Err(Failure::new(format!(
                    "Sorry, no shrinking of {name} to 0 permitted."
                )));
            }
            if shrinks && !args.force {
                return Err(Failure::new(format!(
                    "Sorry, no shrinking of {name} without force=true"
                )));
            }
            if grows && target - now > free {
                return Err(Failure::new(format!(
                    "Logical Volume {name} could not be extended. Not enough free space left \
                     ({free:.0} bytes free, {:.0} needed)",
                    target - now
                )));
            }
            if grows || shrinks {
                let verb = if grows { "lvextend" } else { "lvreduce" };
                let mut line: Vec<String> = vec![verb.to_owned(), "--yes".to_owned()];
                if args.resizefs {
                    line.push("--resizefs".to_owned());
                } else if shrinks {
                    line.push("--force".to_owned());
                }
                line.extend(["--size".to_owned(), format!("{target:.0}b"), path.clone()]);
                if grows {
                    line.extend(args.pvs.iter().flatten().cloned());
                }
                acts.diff(state_diff(
                    &path,
                    &format!("{now:.0} bytes"),
                    &format!("{target:.0} bytes"),
                ));
                acts.run(command(line), what("resize"));
            }
        }
        let active = is["lv_active"] == "active";
        if active != args.active {
            let flag = if args.active { "y" } else { "n" };
            acts.diff(state_diff(
                &path,
                "",
                if args.active { "active" } else { "inactive" },
            ));
            acts.run(
                command(["lvchange", "--activate", flag, &path]),
                what("switch"),
            );
        }
        Ok(acts.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let read = |text| parse(text).unwrap();
        assert_eq!(read("512"), (None, Size::Plain(512.0 * 1048576.0)));
        assert_eq!(read("+1.5g"), (Some('+'), Size::Plain(1.5 * 1073741824.0)));
        assert_eq!(
            read("100%free"),
            (None, Size::Share(100.0, "FREE".to_owned()))
        );
        for wrong in ["", "5x", "200%VG", "5%NO"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
