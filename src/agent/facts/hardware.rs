//! Processors, memory, firmware.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Gather, text};

pub(super) fn gather(gather: &mut Gather<'_>) {
    memory(gather);
    processors(gather);
    let uptime = text("/proc/uptime");
    if let Some(seconds) = uptime
        .split(['.', ' '])
        .next()
        .and_then(|word| word.parse::<u64>().ok())
    {
        gather.put("uptime_seconds", seconds);
    }
    let load = text("/proc/loadavg");
    let mut words = load
        .split_whitespace()
        .map(|word| word.parse::<f64>().unwrap_or_default());
    let mut next = || words.next().unwrap_or_default();
    gather.put(
        "loadavg",
        json!({ "1m": next(), "5m": next(), "15m": next() }),
    );
    firmware(gather);
}

fn memory(gather: &mut Gather<'_>) {
    let info: BTreeMap<String, u64> = text("/proc/meminfo")
        .lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            let kilobytes: u64 = value.split_whitespace().next()?.parse().ok()?;
            Some((name.to_owned(), kilobytes / 1024))
        })
        .collect();
    let get = |name: &str| info.get(name).copied().unwrap_or(0);
    let (total, free) = (get("MemTotal"), get("MemFree"));
    let (swap, swap_free) = (get("SwapTotal"), get("SwapFree"));
    let unused = free + get("Cached") + get("Buffers");
    gather.put("memtotal_mb", total);
    gather.put("memfree_mb", free);
    gather.put("swaptotal_mb", swap);
    gather.put("swapfree_mb", swap_free);
    gather.put(
        "memory_mb",
        json!({
            "real": { "total": total, "used": total.saturating_sub(free), "free": free },
            "nocache": { "free": unused, "used": total.saturating_sub(unused) },
            "swap": {
                "total": swap,
                "free": swap_free,
                "used": swap.saturating_sub(swap_free),
                "cached": get("SwapCached"),
            },
        }),
    );
}

fn processors(gather: &mut Gather<'_>) {
    let info = text("/proc/cpuinfo");
    let mut list: Vec<Value> = Vec::new();
    let mut sockets = BTreeSet::new();
    let mut vcpus = 0_usize;
    let (mut cores, mut siblings) = (0_usize, 0_usize);
    let mut flags: Vec<String> = Vec::new();
    for line in info.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match name.trim() {
            "processor" => {
                vcpus += 1;
                list.push(Value::from(value));
            }
            "vendor_id" | "model name" | "Processor" | "cpu" if !value.is_empty() => {
                list.push(Value::from(value));
            }
            "physical id" => {
                sockets.insert(value.to_owned());
            }
            "cpu cores" => cores = value.parse().unwrap_or(0),
            "siblings" => siblings = value.parse().unwrap_or(0),
            "flags" | "Features" if flags.is_empty() => {
                flags = value.split_whitespace().map(str::to_owned).collect();
            }
            _ => {}
        }
    }
    let vcpus = vcpus.max(1);
    let sockets = sockets.len();
    let usable = std::thread::available_parallelism().map_or(vcpus, usize::from);
    gather.put("processor", list);
    gather.put("flags", flags);
    gather.put("processor_count", if sockets > 0 { sockets } else { vcpus });
    gather.put("processor_cores", cores.max(1));
    let threads = siblings.checked_div(cores).unwrap_or(1);
    gather.put("processor_threads_per_core", threads.max(1));
    gather.put("processor_vcpus", vcpus);
    gather.put("processor_nproc", usable);
}

fn firmware(gather: &mut Gather<'_>) {
    for (name, file) in [
        ("bios_date", "bios_date"),
        ("bios_vendor", "bios_vendor"),
        ("bios_version", "bios_version"),
        ("board_asset_tag", "board_asset_tag"),
        ("board_name", "board_name"),
        ("board_serial", "board_serial"),
        ("board_vendor", "board_vendor"),
        ("board_version", "board_version"),
        ("chassis_asset_tag", "chassis_asset_tag"),
        ("chassis_serial", "chassis_serial"),
        ("chassis_vendor", "chassis_vendor"),
        ("chassis_version", "chassis_version"),
        ("product_name", "product_name"),
        ("product_serial", "product_serial"),
        ("product_uuid", "product_uuid"),
        ("product_version", "product_version"),
        ("system_vendor", "sys_vendor"),
    ] {
        let value = text(format!("/sys/class/dmi/id/{file}"));
        gather.put(
            name,
            if value.is_empty() {
                "NA".to_owned()
            } else {
                value
            },
        );
    }
    let chassis = text("/sys/class/dmi/id/chassis_type");
    let form = match chassis.parse::<u32>() {
        Ok(1) => "Other",
        Ok(3) => "Desktop",
        Ok(8..=10) => "Laptop",
        Ok(17) => "Main Server Chassis",
        Ok(23) => "Rack Mount Chassis",
        Ok(28 | 29) => "Blade",
        Ok(_) => "Unknown",
        Err(_) => "NA",
    };
    gather.put("form_factor", form);
}
