//! Jobs that outlive the connection: a process of its own runs the module and
//! leaves the result in a file, where `async_status` finds it.
#![expect(
    clippy::disallowed_methods,
    reason = "like host::process, a place that starts processes; a job has its own file"
)]

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use ocplay_protocol::{Blob, BlobKind, Detached, Outcome, Request, ToAgent, write_frame};
use serde_json::{Map, Value, json};

use super::channel::{Channel, Context};
use super::{Explain, Failure, Look, Mode, Settled, Touch};

/// The word by which the program knows that it is to be a job.
pub(crate) const WORD: &str = "--job";
/// How long a job may take until it says that it has begun.
const BEGINNING: Duration = Duration::from_secs(5);

/// Starts a job and tells where its result will be.
pub(crate) fn start(request: Request, wanted: &Detached, look: Look) -> Result<Value, Failure> {
    let all_here = |blob: &Blob| blob.kind != BlobKind::File || blob.inline.is_some();
    if !request.blobs.iter().all(all_here) {
        return Err("what the task sends is too large for one with async".into());
    }
    let folder = PathBuf::from(look.expand(&wanted.folder));
    let mut touch = Touch::new(look);
    let private = Settled {
        mode: Some(Mode::Bits(0o700)),
        ..Settled::default()
    };
    if let Err(failure) = touch.make_directories(&folder, &private) {
        return Err(Failure::new(format!(
            "could not create directory: {} - {}",
            folder.display(),
            failure.message
        )));
    }
    let mut noise = [0; 8];
    rustix::rand::getrandom(&mut noise, rustix::rand::GetRandomFlags::empty())
        .explain("make a job's name")?;
    let name = format!("j{}", u64::from_ne_bytes(noise) % 1_000_000_000_000);
    let program = std::env::current_exe().explain("find the agent's own program")?;
    let mut child = std::process::Command::new(program)
        .arg(WORD)
        .arg(folder.join(&name))
        .arg(wanted.limit.to_string())
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .explain("start the job")?;
    let id = format!("{name}.{}", child.id());
    let path = folder.join(&id);
    if let Some(mut input) = child.stdin.take() {
        write_frame(&mut input, &ToAgent::Run(request))
            .map_err(|error| Failure::new(format!("cannot hand over the job: {error}")))?;
    }
    // Whoever started it must take note of its end.
    std::thread::spawn(move || drop(child.wait()));
    let pause = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    while !path.exists() && waited < BEGINNING {
        touch.sleep(pause)?;
        waited += pause;
    }
    Ok(json!({
        "started": true,
        "finished": false,
        "ansible_job_id": id,
        "results_file": path,
    }))
}

/// The job's own process: runs the module, writes the result.
pub(crate) fn run(
    request: Request,
    name: &Path,
    limit: Duration,
    module: fn(&str, &str, Context) -> Outcome,
) -> io::Result<()> {
    let pid = std::process::id();
    let mut path = name.as_os_str().to_owned();
    path.push(format!(".{pid}"));
    let path = PathBuf::from(path);
    let id = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    write(
        &path,
        &json!({ "started": true, "finished": false, "ansible_job_id": id }),
    )?;
    let mut request = request;
    let channel = Arc::new(Channel::new(io::sink()));
    let (context, handle) = Context::new(&mut request, &channel);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let outcome = module(&request.module, &request.args, context);
        sender.send(outcome).ok();
    });
    let result = match receiver.recv_timeout(limit) {
        Ok(outcome) => result(outcome),
        Err(_) => {
            handle.leash.cancel();
            json!({ "failed": true, "msg": "Timeout exceeded", "child_pid": pid })
        }
    };
    write(&path, &result)
}

/// An outcome as one object, the way a module prints it.
fn result(outcome: Outcome) -> Value {
    let mut values: Map<String, Value> = serde_json::from_str(&outcome.result).unwrap_or_default();
    values.insert("changed".to_owned(), outcome.changed.into());
    if outcome.failed {
        values.insert("failed".to_owned(), true.into());
    }
    if outcome.skipped {
        values.insert("skipped".to_owned(), true.into());
    }
    Value::Object(values)
}

/// Either the old or the new content is there at any time.
fn write(path: &Path, value: &Value) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let staged = PathBuf::from(name);
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&staged)?
        .write_all(value.to_string().as_bytes())?;
    std::fs::rename(&staged, path)
}
