//! What useradd leaves to others: a late home directory, an SSH key.

use std::path::Path;

use super::Args;
use crate::host::{Command, Failure, Mode, Return, Settled, Touch, parent};

/// A home directory for a user who had none, with the skeleton's files.
pub(super) fn make_home(touch: &mut Touch, args: &Args, home: &Path) -> Result<(), Failure> {
    let Some(account) = touch.user(&args.name) else {
        return Ok(());
    };
    let owner = Settled {
        uid: Some(account.uid),
        gid: Some(account.gid),
        ..Settled::default()
    };
    touch.make_directories(parent(home), &Settled::default())?;
    touch.make_directory(home)?;
    let skeleton = args
        .skeleton
        .clone()
        .unwrap_or_else(|| "/etc/skel".to_owned());
    if Path::new(&skeleton).is_dir() {
        let command = Command::new([
            "cp",
            "-R",
            &format!("{skeleton}/."),
            &home.to_string_lossy(),
        ]);
        touch.must(&command, "copy the skeleton into the home directory")?;
        let who = format!("{}:{}", account.uid, account.gid);
        let command = Command::new(["chown", "-R", &who, &home.to_string_lossy()]);
        touch.must(&command, "hand over the home directory")?;
    }
    touch.settle(home, &owner)?;
    Ok(())
}

pub(super) fn generate_key(touch: &mut Touch, args: &Args, key: &Path) -> Result<Return, Failure> {
    if args.ssh_key_passphrase.is_some() {
        return Err(
            "ssh_key_passphrase is not supported: ssh-keygen takes it only as an argument, which \
             every user of the host can read; leave it out or make the key elsewhere"
                .into(),
        );
    }
    let Some(account) = touch.user(&args.name) else {
        return Err(Failure::new(format!("the user {} has vanished", args.name)));
    };
    let owner = Settled {
        uid: Some(account.uid),
        gid: Some(account.gid),
        ..Settled::default()
    };
    let directory = parent(key);
    let private = Settled {
        mode: Some(Mode::Bits(0o700)),
        ..owner.clone()
    };
    touch.make_directories(directory, &private)?;
    let comment = args.ssh_key_comment.clone().unwrap_or_else(|| {
        let host = rustix::system::uname();
        format!("ansible-generated on {}", host.nodename().to_string_lossy())
    });
    let mut argv = vec!["ssh-keygen".to_owned(), "-q".to_owned()];
    argv.extend(["-t".to_owned(), args.ssh_key_type.clone()]);
    if args.ssh_key_bits > 0 {
        argv.extend(["-b".to_owned(), args.ssh_key_bits.to_string()]);
    }
    argv.extend(["-C".to_owned(), comment]);
    argv.extend(["-f".to_owned(), key.to_string_lossy().into_owned()]);
    argv.extend(["-N".to_owned(), String::new()]);
    touch.must(&Command::new(argv), "generate the SSH key")?;
    let mut public = key.as_os_str().to_owned();
    public.push(".pub");
    touch.settle(key, &owner)?;
    touch.settle(Path::new(&public), &owner)?;
    Ok(Return::new())
}
