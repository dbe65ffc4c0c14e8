//! `template`: renders on the controller, copies to the host.

use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;

use ocplay_language::template::FileOptions;
use ocplay_language::value::{Map, Value};
use ocplay_language::vars::precedence::Level;
use ocplay_protocol::arguments;

use super::{Call, host};
use crate::blobs::Cargo;
use crate::outcome::ActionOutcome;
use crate::world::absolute;

arguments! {
    /// Renders a Jinja template of the controller into a file of the host.
    pub struct Args {
        /// The template, looked for in `templates/`.
        src: String,
        /// Where the file goes; a folder takes the template's name.
        dest: String,
        /// Keep what is replaced, with the time in its name.
        backup: Option<bool>,
        /// Replace a file whose content differs.
        force: Option<bool>,
        /// Permissions, octal or symbolic.
        mode: Option<serde_json::Value>,
        /// Owner's name or number.
        owner: Option<String>,
        /// Group's name or number.
        group: Option<String>,
        /// Command that checks the new file; `%s` stands for it.
        validate: Option<String>,
        /// Follow a symbolic link at `dest`.
        follow: Option<bool>,
        /// Line ends to write.
        newline_sequence: String = "\n".to_owned(),
        /// Start of a block.
        block_start_string: Option<String>,
        /// End of a block.
        block_end_string: Option<String>,
        /// Start of an expression.
        variable_start_string: Option<String>,
        /// End of an expression.
        variable_end_string: Option<String>,
        /// Start of a comment.
        comment_start_string: Option<String>,
        /// End of a comment.
        comment_end_string: Option<String>,
        /// Drop the line end behind a block.
        trim_blocks: bool = true,
        /// Drop blanks before a block.
        lstrip_blocks: bool = false,
        /// Encoding of the result; only UTF-8 is written.
        output_encoding: Option<String>,
        /// File attributes, as of chattr.
        attributes: Option<String> ["attr"],
        /// SELinux level.
        selevel: Option<String>,
        /// SELinux role.
        serole: Option<String>,
        /// SELinux type.
        setype: Option<String>,
        /// SELinux user.
        seuser: Option<String>,
        /// Write in place where renaming is not possible.
        unsafe_writes: Option<bool>,
    }
}

/// Arguments that `copy` takes over.
const PASSED_ON: [&str; 13] = [
    "dest",
    "backup",
    "force",
    "mode",
    "owner",
    "group",
    "validate",
    "follow",
    "attributes",
    "selevel",
    "serole",
    "setype",
    "seuser",
];

pub(super) async fn run(call: &Call<'_>) -> ActionOutcome {
    let args: Args = match call.read() {
        Ok(args) => args,
        Err(outcome) => return *outcome,
    };
    let context = &call.step.planned.context;
    let span = &call.step.planned.task.action.name_span;
    let found = call
        .shared
        .resolver
        .find(&args.src, &context.search("templates"), span);
    let source = found.and_then(|path| Ok((call.shared.resolver.read_source(&path)?, path)));
    let (source, path) = match source {
        Ok(found) => found,
        Err(problems) => {
            return problems.into_iter().next().map_or_else(
                || ActionOutcome::failure("not found"),
                ActionOutcome::mistake,
            );
        }
    };
    let mut search = context.search("templates");
    if let Some(folder) = path.parent() {
        search.insert(0, folder.to_owned());
    }
    let scope = call
        .scope
        .with(Level::Magic, std::sync::Arc::new(names(&path, &args.dest)))
        .with(Level::CommandLineValues, std::sync::Arc::new(managed()))
        .with_search(search.into());
    let text = match call
        .shared
        .templar
        .render_file(&source, &file_options(&args), &scope)
    {
        Ok(text) => text,
        Err(error) => return ActionOutcome::template(&error),
    };
    let mut lowered = Map::new();
    for name in PASSED_ON {
        if let Some(value) = call.args.get(name) {
            lowered.insert(name, value.clone());
        }
    }
    if call.args.get("mode").and_then(Value::as_str) == Some("preserve")
        && let Ok(about) = std::fs::metadata(&path)
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = about.permissions().mode() & 0o7777;
        lowered.insert("mode", format!("0{mode:03o}"));
    }
    if let Some(value) = call.args.get("attr") {
        lowered.insert("attributes", value.clone());
    }
    let base = path.file_name().unwrap_or_default().to_string_lossy();
    lowered.insert("src", base.trim_end_matches(".j2"));
    lowered.insert("_original_basename", &*base);
    if args.dest.ends_with('/') {
        lowered.insert("dest", format!("{}{base}", args.dest));
    }
    let cargo = Cargo::bytes(text.into_bytes(), 0o644);
    host::execute(
        call,
        "copy",
        Value::from(lowered).to_json(),
        cargo.blobs,
        cargo.sources,
    )
    .await
}

/// The controller's own name.
static HOSTNAME: LazyLock<String> = LazyLock::new(|| {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
});

/// Names of the controller's users, by their numbers.
static OWNERS: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let fields = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    // The first of several names of one number is the one that counts.
    let owner = |fields: Vec<&str>| Some((fields.get(2)?.to_string(), fields.first()?.to_string()));
    let mut owners: Vec<_> = fields.filter_map(owner).collect();
    owners.reverse();
    owners.into_iter().collect()
});

/// What a template may say about itself. The time of the run is left out of
/// `ansible_managed`: it would change the file each time.
fn names(path: &Path, dest: &str) -> Map {
    let full = absolute(path);
    let mut names = Map::new();
    names.insert("template_path", &*path.to_string_lossy());
    names.insert("template_fullpath", &*full.to_string_lossy());
    names.insert("template_destpath", dest);
    names.insert("template_host", HOSTNAME.as_str());
    if let Ok(metadata) = std::fs::metadata(path) {
        use std::os::unix::fs::MetadataExt;
        let time = |seconds: i64, nanos: i64| {
            let stamp = jiff::Timestamp::new(seconds, i32::try_from(nanos).unwrap_or(0));
            let zoned = stamp.ok()?.to_zoned(jiff::tz::TimeZone::system());
            Some(zoned.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string())
        };
        names.insert(
            "template_mtime",
            time(metadata.mtime(), metadata.mtime_nsec()).unwrap_or_default(),
        );
        let uid = metadata.uid().to_string();
        let owner = OWNERS.get(&uid).cloned();
        names.insert("template_uid", owner.unwrap_or(uid));
    }
    let now = jiff::Zoned::now();
    names.insert(
        "template_run_date",
        now.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string(),
    );
    names
}

/// What stands at the head of files, unless content says otherwise.
fn managed() -> Map {
    let mut managed = Map::new();
    managed.insert("ansible_managed", "Ansible managed");
    managed
}

fn file_options(args: &Args) -> FileOptions {
    let mut options = FileOptions {
        trim_blocks: args.trim_blocks,
        lstrip_blocks: args.lstrip_blocks,
        newline_sequence: match args.newline_sequence.as_str() {
            "\\n" => "\n".to_owned(),
            "\\r" => "\r".to_owned(),
            "\\r\\n" => "\r\n".to_owned(),
            other => other.to_owned(),
        },
        ..FileOptions::default()
    };
    let set = |place: &mut String, given: &Option<String>| {
        if let Some(given) = given {
            place.clone_from(given);
        }
    };
    set(&mut options.block_start_string, &args.block_start_string);
    set(&mut options.block_end_string, &args.block_end_string);
    set(
        &mut options.variable_start_string,
        &args.variable_start_string,
    );
    set(&mut options.variable_end_string, &args.variable_end_string);
    set(
        &mut options.comment_start_string,
        &args.comment_start_string,
    );
    set(&mut options.comment_end_string, &args.comment_end_string);
    options
}
