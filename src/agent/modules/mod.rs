//! The modules: the trait that each implements, and the list of all.
//!
//! A module is one file and one line in the list below.

use ocplay_protocol::{Arguments, Diff, ModuleInfo, Outcome};

use crate::host::channel::Context;
use crate::host::{Failure, Look, Return, Touch};

mod execute;
mod harness;
mod http;
mod pattern;
mod steps;

/// One module.
pub(crate) trait Module: 'static {
    const NAME: &'static str;
    /// Other names of the same module.
    const ALIASES: &'static [&'static str] = &[];
    const COLLECTION: &'static str = "ansible.builtin";
    /// Takes a line of text, declared as `raw as "_raw_params"`.
    const FREE_FORM: bool = false;
    type Args: Arguments;
    /// What would change; only this module's `apply` can take it.
    type Plan;

    /// Finds out what there is to do. Cannot change anything.
    fn check(args: &Self::Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure>;
    /// The change as people read it; only called when they asked.
    fn describe(plan: &Self::Plan) -> Vec<Diff>;
    /// Does it.
    fn apply(plan: Self::Plan, touch: &mut Touch) -> Result<Return, Failure>;
}

/// What `check` found.
pub(crate) enum Verdict<P> {
    /// All is as wanted.
    Same(Return),
    /// There is something to do; in check mode the values are reported.
    Change(P, Return),
    /// Nobody can foresee the effect, so it is not tried in check mode.
    MustRun(P),
    /// What is run knows about check mode itself.
    Always(P),
    /// Not for this host or this mode.
    Skip(Return),
}

/// Declares the files and the registry: `file: Type`.
macro_rules! modules {
    ($($file:ident: $module:ident),+ $(,)?) => {
        $(mod $file;)+

        const REGISTRY: &[harness::Entry] = &[
            $(harness::entry::<$file::$module>()),+
        ];

        /// Apart from the registry: the controller describes modules, and must
        /// not carry the code that runs them.
        const INFOS: &[fn() -> Vec<ModuleInfo>] = &[
            $(harness::infos::<$file::$module>),+
        ];
    };
}

modules! {
    pip: Pip,
    assemble: Assemble,
    async_status: AsyncStatus,
    pacman: Pacman,
    zypper: Zypper,
    dnf: Dnf,
    apk: Apk,
    apt: Apt,
    blockinfile: BlockInFile,
    command: CommandModule,
    copy: Copy,
    debconf: Debconf,
    docker_container: DockerContainer,
    docker_container_info: DockerContainerInfo,
    docker_image: DockerImage,
    docker_image_info: DockerImageInfo,
    docker_network: DockerNetwork,
    docker_volume: DockerVolume,
    expect: Expect,
    external: External,
    fetch: Fetch,
    file: FileModule,
    find: Find,
    get_url: GetUrl,
    getent: Getent,
    group: Group,
    hostname: Hostname,
    known_hosts: KnownHosts,
    lineinfile: LineInFile,
    modprobe: Modprobe,
    package: Package,
    package_facts: PackageFacts,
    ping: Ping,
    raw: Raw,
    replace: Replace,
    script: Script,
    service: Service,
    service_facts: ServiceFacts,
    setup: Setup,
    shell: Shell,
    slurp: Slurp,
    stat: Stat,
    sysctl: Sysctl,
    systemd: Systemd,
    tempfile: TempFile,
    uri: UriModule,
    user: User,
    wait_for: WaitFor,
}

/// Descriptions of all modules, for the controller.
#[must_use]
pub fn catalogue() -> Vec<ModuleInfo> {
    INFOS
        .iter()
        .flat_map(|infos| infos())
        // What only the controller's actions use is no module of a playbook.
        .filter(|info| !info.name.starts_with('_'))
        .collect()
}

/// Runs a module by name.
pub(crate) fn run(name: &str, args: &str, context: Context) -> Outcome {
    let short = name.rsplit('.').next().unwrap_or(name);
    match REGISTRY.iter().find(|entry| entry.answers_to(short)) {
        Some(entry) => (entry.run)(args, context),
        None => Outcome::failure(&format!(
            "the agent has no module '{name}'; the controller and the agent do not match"
        )),
    }
}
