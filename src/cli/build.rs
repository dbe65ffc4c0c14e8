//! Builds the on-host helper and embeds it.
//!
//! The helper is linked statically, so that it runs on hosts with an old libc
//! or none. It is built into a target folder of its own: the outer one is
//! locked by the cargo that runs this script.

use std::env;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use lzma_rust2::{CheckType, FilterType, XzOptions, XzWriter};
use sha2::{Digest, Sha256};

/// A helper built elsewhere, for other machines than this one.
const OVERRIDE: &str = "OCPLAY_HELPER_BIN";

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = env::var("CARGO_MANIFEST_DIR")?;
    let root = Path::new(&manifest).join("../..").canonicalize()?;
    for watched in ["src/agent", "src/protocol", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    println!("cargo::rerun-if-env-changed={OVERRIDE}");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let helper = match env::var_os(OVERRIDE) {
        Some(path) => PathBuf::from(path),
        None => build(&root, &out)?,
    };
    let program = fs::read(&helper)?;
    // The helper of a development build unwinds.
    let trimmed = (env::var("PROFILE")? == "release")
        .then(|| without_unwinding(&program))
        .flatten()
        .filter(|trimmed| starts(trimmed, &out));
    let program = trimmed.unwrap_or(program);
    fs::write(out.join("agent.xz"), compressed(&program)?)?;
    let hash: String = Sha256::digest(&program)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    println!("cargo::rustc-env=OCPLAY_AGENT_SHA256={hash}");
    println!("cargo::rustc-env=OCPLAY_AGENT_SIZE={}", program.len());
    println!(
        "cargo::rustc-env=OCPLAY_AGENT_ARCH={}",
        env::var("CARGO_CFG_TARGET_ARCH")?
    );
    Ok(())
}

fn build(root: &Path, out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let target = env::var("TARGET")?;
    // Beside the outer folders, so that checks and builds share it:
    // <target>/<profile>/build/<package>/out.
    let folder = match out.ancestors().nth(4) {
        Some(target) => target.join("agent"),
        None => out.join("agent-target"),
    };
    let profile = if env::var("PROFILE")? == "release" {
        "agent"
    } else {
        "agent-dev"
    };
    let mut flags = "-C target-feature=+crt-static -C relocation-model=static".to_owned();
    if profile == "agent" {
        flags.push_str(" -C force-unwind-tables=no");
    }
    let status = Command::new(env::var("CARGO")?)
        .current_dir(root)
        .args([
            "build",
            "--quiet",
            "--package",
            "ocplay-agent",
            "--bin",
            "ocplay-agent",
        ])
        .args(["--profile", profile, "--target", &target, "--target-dir"])
        .arg(&folder)
        // What the outer build was told does not concern the helper.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET_DIR")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        // At a fixed address and without tables for unwinding, which the helper
        // never does, it is a tenth smaller.
        .env("RUSTFLAGS", flags)
        .status()?;
    if !status.success() {
        return Err("building the on-host helper failed; see the messages above".into());
    }
    Ok(folder.join(target).join(profile).join("ocplay-agent"))
}

/// The program as it is sent; a filter for its machine's jumps saves a tenth.
fn compressed(program: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    // A development build is not worth the seconds.
    let preset = if env::var("PROFILE")? == "release" {
        9
    } else {
        1
    };
    let mut options = XzOptions::with_preset(preset);
    // So much memory a host needs to unpack it.
    options.lzma_options.dict_size = 8 << 20;
    // The check that every decoder knows, also busybox's.
    options.set_check_sum_type(CheckType::Crc32);
    let filter = match env::var("CARGO_CFG_TARGET_ARCH")?.as_str() {
        "x86" | "x86_64" => Some(FilterType::BcjX86),
        _ => None,
    };
    if let Some(filter) = filter {
        options.prepend_pre_filter(filter, 0);
    }
    let mut xz = XzWriter::new(Vec::new(), options)?;
    xz.write_all(program)?;
    Ok(xz.finish()?)
}

/// Whether the helper runs, where it can be tried.
fn starts(program: &[u8], out: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let path = out.join("helper-on-trial");
    let tried = fs::write(&path, program)
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
        .and_then(|()| Command::new(&path).arg("--probe").status());
    drop(fs::remove_file(&path));
    tried.is_ok_and(|status| status.success())
}

/// The program without the C library's tables for unwinding, which a program
/// that aborts never reads: an eighth of it. `None` where its parts do not lie
/// as expected.
fn without_unwinding(program: &[u8]) -> Option<Vec<u8>> {
    const PAGE: usize = 4096;
    const LOAD: u64 = 1;
    const UNWINDING: u64 = 0x6474_e550;
    let number = |at: usize, size: usize| -> Option<u64> {
        let bytes = program.get(at..at + size)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        )
    };
    let place = |at: usize| number(at, 8).and_then(|value| usize::try_from(value).ok());
    let short = |at: usize| number(at, 2).and_then(|value| usize::try_from(value).ok());
    // 64 bits, low byte first.
    (program.get(..6)? == b"\x7fELF\x02\x01").then_some(())?;
    let (headers, sections) = (place(32)?, place(40)?);
    let (size, count) = (short(54)?, short(56)?);
    let (section_size, section_count, names) = (short(58)?, short(60)?, short(62)?);
    let names = place(sections + names * section_size + 24)?;
    let section = |wanted: &[u8]| -> Option<(usize, usize)> {
        (0..section_count).find_map(|index| {
            let at = sections + index * section_size;
            let name = names + usize::try_from(number(at, 4)?).ok()?;
            let named = program.get(name..)?.split(|byte| *byte == 0).next()? == wanted;
            named.then_some((place(at + 24)?, place(at + 32)?))
        })
    };
    let (table, length) = section(b".eh_frame")?;
    // A zero in its first word tells the start-up code that there is no table.
    let (start, end) = (table + 8, table + length);
    let cut = (end - start) / PAGE * PAGE;
    let mut out = program[..start].to_vec();
    out[table..].fill(0);
    for name in [&b".gcc_except_table"[..], b".eh_frame_hdr"] {
        if let Some((at, length)) = section(name) {
            out.get_mut(at..at + length)?.fill(0);
        }
    }
    out.extend(std::iter::repeat_n(0, end - start - cut));
    // What is behind the segments is for debuggers.
    let segments = (0..count).map(|index| headers + index * size);
    let loaded = segments.clone().filter(|at| number(*at, 4) == Some(LOAD));
    let last = loaded
        .clone()
        .map(|at| Some(place(at + 8)? + place(at + 32)?))
        .max()??;
    out.extend(program.get(end..last)?);
    let mut shortened = false;
    for at in segments {
        let (offset, held) = (place(at + 8)?, place(at + 32)?);
        let mut set = |field: usize, value: usize| {
            out[at + field..at + field + 8].copy_from_slice(&(value as u64).to_le_bytes());
        };
        if number(at, 4)? == UNWINDING {
            out[at..at + 4].fill(0);
        } else if number(at, 4)? == LOAD && offset <= start && offset + held == end {
            set(32, held - (end - start));
            set(40, place(at + 40)? - (end - start));
            shortened = true;
        } else if offset >= end {
            set(8, offset - cut);
        } else if offset + held > start {
            return None;
        }
    }
    out[40..48].fill(0);
    out[58..64].fill(0);
    shortened.then_some(out)
}
