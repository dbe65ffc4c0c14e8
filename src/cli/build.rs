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
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&program)?;
    fs::write(out.join("agent.gz"), gzip.finish()?)?;
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
