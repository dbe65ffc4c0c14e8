//! `parted`: partitions of a disk.

use serde_json::{Value, json};

use super::acts::{Acts, acting, command, need, state as state_diff};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Absent = "absent", Present = "present", Info = "info" }
}
ocplay_protocol::choices! {
    /// How partitions lie on the disk.
    pub(super) enum Align {
        Cylinder = "cylinder",
        Minimal = "minimal",
        None = "none",
        Optimal = "optimal",
        Undefined = "undefined",
    }
}
ocplay_protocol::choices! {
    /// Units of sizes.
    pub(super) enum Unit {
        S = "s", B = "B", Kb = "KB", Kib = "KiB", Mb = "MB", Mib = "MiB", Gb = "GB", Gib = "GiB",
        Tb = "TB", Tib = "TiB", Percent = "%", Cyl = "cyl", Chs = "chs", Compact = "compact",
    }
}
ocplay_protocol::choices! {
    /// Kinds of partition tables.
    pub(super) enum Label {
        Aix = "aix", Amiga = "amiga", Bsd = "bsd", Dvh = "dvh", Gpt = "gpt", Loop = "loop",
        Mac = "mac", Msdos = "msdos", Pc98 = "pc98", Sun = "sun",
    }
}
ocplay_protocol::choices! {
    /// Kinds of partitions.
    pub(super) enum PartType { Extended = "extended", Logical = "logical", Primary = "primary" }
}

ocplay_protocol::arguments! {
    /// Creates, changes, removes and shows partitions of a disk.
    pub(super) struct Args {
        /// The disk.
        device: String,
        /// How partitions lie on it.
        align: Align = Align::Optimal,
        /// Number of the partition.
        number: Option<i64>,
        /// Unit of what is returned.
        unit: Unit = Unit::Kib,
        /// Kind of partition table.
        label: Label = Label::Msdos,
        /// Kind of partition.
        part_type: PartType = PartType::Primary,
        /// Where it begins, with a unit.
        part_start: String = "0%".to_owned(),
        /// Where it ends, with a unit.
        part_end: String = "100%".to_owned(),
        /// Its name (GPT).
        name: Option<String>,
        /// Its flags.
        flags: Option<Vec<String>>,
        /// Wanted state.
        state: State = State::Info,
        /// Kind of file system that it is marked for.
        fs_type: Option<String>,
        /// Move its end if it is another one.
        resize: bool = false,
    }
}

pub(super) struct Parted;

/// A number with its unit.
fn split(text: &str) -> (f64, String) {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    (text[..end].parse().unwrap_or(0.0), text[end..].to_owned())
}

/// What `parted --machine` prints: the disk, then a line for each partition.
fn parse(text: &str, unit: &str) -> Option<Value> {
    let mut lines = text
        .lines()
        .map(|line| line.trim_end_matches(';'))
        .skip_while(|line| !line.starts_with('/'));
    let disk: Vec<&str> = lines.next()?.split(':').collect();
    let [dev, size, _, logical, physical, table, model, ..] = disk[..] else {
        return None;
    };
    let mut partitions = Vec::new();
    for line in lines {
        let fields: Vec<&str> = line.split(':').collect();
        let [number, begin, end, size, kind, name, flags] = fields[..] else {
            continue;
        };
        let (begin, end, size) = (split(begin), split(end), split(size));
        let flags: Vec<&str> = flags
            .split(',')
            .map(str::trim)
            .filter(|flag| !flag.is_empty())
            .collect();
        partitions.push(json!({
            "num": number.parse::<i64>().ok()?, "begin": begin.0, "end": end.0, "size": size.0,
            "fstype": kind, "name": name, "flags": flags, "unit": size.1.to_lowercase(),
        }));
    }
    let size = split(size);
    Some(json!({
        "disk": {
            "dev": dev, "size": size.0, "unit": size.1.to_lowercase(), "table": table, "model": model,
            "logical_block": logical.parse::<i64>().unwrap_or(0),
            "physical_block": physical.parse::<i64>().unwrap_or(0),
        },
        "partitions": partitions, "unit": unit,
    }))
}

fn info(look: &Look, device: &str, unit: &str) -> Result<Value, Failure> {
    let words = ["parted", "-s", "-m", device, "--", "unit", unit, "print"];
    let output = look.query(words)?;
    if let Some(found) = parse(&output.out(), unit) {
        return Ok(found);
    }
    // A disk without a table is no failure.
    if output.out().contains("unrecognised disk label")
        || output.err().contains("unrecognised disk label")
    {
        return Ok(json!({"disk": {"dev": device, "table": "unknown"}, "partitions": []}));
    }
    let message = format!(
        "Error while getting device information with parted: {}",
        output.complaint()
    );
    Err(output.failure(message))
}

impl Module for Parted {
    const NAME: &'static str = "parted";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        need(look, "parted", "parted")?;
        let device = args.device.as_str();
        let unit = args.unit.word();
        let is = info(look, device, unit)?;
        let facts = |info: &Value, script: &str| {
            Return::new()
                .with("disk", info["disk"].clone())
                .with("partitions", info["partitions"].clone())
                .with("script", script)
        };
        let mut acts = Acts::new(facts(&is, ""));
        if args.state == State::Info {
            return Ok(acts.verdict());
        }
        let Some(number) = args.number.filter(|number| *number > 0) else {
            return Err(
                "number is required, and is 1 or more, with state present and absent".into(),
            );
        };
        let part = is["partitions"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|part| part["num"] == number);
        let digit = number.to_string();
        let mut script: Vec<Vec<String>> = Vec::new();
        let mut add = |words: &[&str]| {
            script.push(words.iter().map(|word| (*word).to_owned()).collect());
        };
        if args.state == State::Absent {
            if part.is_some() {
                add(&["rm", &digit]);
            }
        } else {
            let table = is["disk"]["table"].as_str().unwrap_or_default();
            let fresh = table != args.label.word();
            if fresh {
                let others = is["partitions"]
                    .as_array()
                    .is_some_and(|all| !all.is_empty());
                if others {
                    return Err(Failure::new(format!(
                        "{device} has a table of the kind {table} with partitions in it; remove \
                         those first"
                    )));
                }
                add(&["mklabel", args.label.word()]);
            }
            let part = part.filter(|_| !fresh);
            match part {
                None => {
                    let mut words = vec!["mkpart", args.part_type.word()];
                    // GPT has names in place of kinds.
                    let title = args.name.as_deref().unwrap_or("primary");
                    if args.label == Label::Gpt {
                        words[1] = title;
                    }
                    words.extend(args.fs_type.as_deref());
                    words.extend([args.part_start.as_str(), args.part_end.as_str()]);
                    add(&words);
                }
                Some(part) if args.resize => {
                    let disk = info(look, device, "B")?;
                    let whole = disk["disk"]["size"].as_f64().unwrap_or(0.0);
                    let of = |info: &Value| -> f64 {
                        let all = info["partitions"].as_array().into_iter().flatten();
                        let part = all.clone().find(|one| one["num"] == part["num"]);
                        part.and_then(|part| part["end"].as_f64()).unwrap_or(0.0)
                    };
                    let wanted = end_of(&args.part_end, whole)?;
                    // parted rounds to what suits the disk.
                    if (of(&disk) - wanted).abs() > 2.0 * 1048576.0 {
                        add(&["resizepart", &digit, &args.part_end]);
                    }
                }
                Some(_) => {}
            }
            let none = json!({});
            let known = part.unwrap_or(&none);
            if let (Some(name), Label::Gpt | Label::Mac | Label::Pc98) = (&args.name, args.label)
                && known["name"] != name.as_str()
            {
                add(&["name", &digit, &format!("\"{}\"", name.replace('"', ""))]);
            }
            if let Some(flags) = &args.flags {
                let is: Vec<&str> = known["flags"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                // ESP and boot are the same on GPT.
                let implied = |flag: &str| {
                    args.label == Label::Gpt
                        && ((flag == "boot" && flags.iter().any(|one| one == "esp"))
                            || (flag == "esp" && flags.iter().any(|one| one == "boot")))
                };
                for flag in flags.iter().filter(|flag| !is.contains(&flag.as_str())) {
                    add(&["set", &digit, flag, "on"]);
                }
                for flag in is.iter().filter(|flag| {
                    !flags.iter().any(|one| one == *flag) && !implied(flag) && **flag != "lba"
                }) {
                    add(&["set", &digit, flag, "off"]);
                }
            }
        }
        if script.is_empty() {
            return Ok(acts.verdict());
        }
        let words: Vec<String> = script.concat();
        let text = words.join(" ");
        acts.diff(state_diff(
            device,
            "",
            &script
                .iter()
                .map(|line| line.join(" "))
                .collect::<Vec<_>>()
                .join("\n"),
        ));
        acts.result(|result| result.with("script", text.as_str()));
        let mut line = vec!["parted".to_owned(), "-s".to_owned(), "-m".to_owned()];
        line.extend([
            "-a".to_owned(),
            args.align.word().to_owned(),
            device.to_owned(),
        ]);
        line.extend(["--".to_owned(), "unit".to_owned(), unit.to_owned()]);
        line.extend(words);
        acts.run(command(line), format!("change the partitions of {device}"));
        let (device, unit) = (device.to_owned(), unit.to_owned());
        acts.after(move |touch, _, _| {
            let after = info(touch, &device, &unit)?;
            Ok(facts(&after, &text))
        });
        Ok(acts.verdict())
    }
}

/// Where a partition shall end, in bytes.
fn end_of(text: &str, whole: f64) -> Result<f64, Failure> {
    let (number, unit) = split(text.trim_start_matches('-'));
    let factor = match unit.to_ascii_lowercase().as_str() {
        "%" => whole / 100.0,
        "b" => 1.0,
        "s" => 512.0,
        "kb" => 1e3,
        "kib" => 1024.0,
        "mb" | "" => 1e6,
        "mib" => 1048576.0,
        "gb" => 1e9,
        "gib" => 1073741824.0,
        "tb" => 1e12,
        "tib" => 1099511627776.0,
        _ => {
            return Err(Failure::new(format!(
                "part_end: {text} has no unit that is known"
            )));
        }
    };
    let size = number * factor;
    Ok(if text.starts_with('-') {
        whole - size
    } else {
        size
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_parted_prints() {
        let text = "BYT;\n/dev/x:102400kiB:file:512:512:gpt::;\n1:1024kiB:50176kiB:49152kiB:ext4:data:boot, esp;\n";
        let found = parse(text, "KiB").unwrap();
        assert_eq!(found["disk"]["table"], "gpt");
        assert_eq!(found["partitions"][0]["flags"], json!(["boot", "esp"]));
        assert_eq!(found["partitions"][0]["begin"], 1024.0);
        assert!(parse("Error: no such file\n", "KiB").is_none());
        assert_eq!(end_of("50%", 200.0).unwrap(), 100.0);
        assert_eq!(end_of("-1KiB", 4096.0).unwrap(), 3072.0);
    }
}
