//! The modules: the trait that each implements, and the list of all.
//!
//! A module is one file and one line in the list below.

use ocplay_protocol::{Arguments, Diff, ModuleInfo, Outcome};

use crate::host::channel::Context;
use crate::host::{Failure, Look, Return, Touch};

mod acts;
mod execute;
mod harness;
mod http;
mod made;
mod openpgp;
mod openstack;
mod pattern;
mod rabbitmq;
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
    acl: Acl,
    alternatives: Alternatives,
    apk: Apk,
    apt: Apt,
    apt_key: AptKey,
    apt_repository: AptRepository,
    archive: Archive,
    assemble: Assemble,
    async_status: AsyncStatus,
    at: At,
    authorized_key: AuthorizedKey,
    blockinfile: BlockInFile,
    command: CommandModule,
    composer: Composer,
    copy: Copy,
    cron: Cron,
    deb822_repository: Deb822Repository,
    debconf: Debconf,
    dnf: Dnf,
    docker_compose: DockerCompose,
    docker_compose_v2: DockerComposeV2,
    docker_container: DockerContainer,
    docker_container_exec: DockerContainerExec,
    docker_container_info: DockerContainerInfo,
    docker_host_info: DockerHostInfo,
    docker_image: DockerImage,
    docker_image_build: DockerImageBuild,
    docker_image_export: DockerImageExport,
    docker_image_info: DockerImageInfo,
    docker_image_load: DockerImageLoad,
    docker_image_pull: DockerImagePull,
    docker_image_push: DockerImagePush,
    docker_image_remove: DockerImageRemove,
    docker_image_tag: DockerImageTag,
    docker_login: DockerLogin,
    docker_network: DockerNetwork,
    docker_network_info: DockerNetworkInfo,
    docker_prune: DockerPrune,
    docker_volume: DockerVolume,
    docker_volume_info: DockerVolumeInfo,
    dpkg_divert: DpkgDivert,
    dpkg_selections: DpkgSelections,
    expect: Expect,
    external: External,
    fetch: Fetch,
    file: FileModule,
    filesystem: Filesystem,
    find: Find,
    firewalld: Firewalld,
    flatpak: Flatpak,
    get_url: GetUrl,
    getent: Getent,
    git: GitModule,
    group: Group,
    hostname: Hostname,
    htpasswd: Htpasswd,
    ini_file: IniFile,
    iptables: Iptables,
    known_hosts: KnownHosts,
    lineinfile: LineInFile,
    locale_gen: LocaleGen,
    lvg: Lvg,
    lvol: Lvol,
    make: Make,
    modprobe: Modprobe,
    mount: Mount,
    mount_facts: MountFacts,
    mysql_db: MysqlDb,
    mysql_query: MysqlQuery,
    mysql_user: MysqlUser,
    mysql_variables: MysqlVariables,
    npm: Npm,
    openssh_keypair: OpensshKeypair,
    openssl_csr: OpensslCsr,
    openssl_csr_info: OpensslCsrInfo,
    openssl_dhparam: OpensslDhparam,
    openssl_privatekey: OpensslPrivatekey,
    openssl_privatekey_info: OpensslPrivatekeyInfo,
    openssl_publickey: OpensslPublickey,
    os_auth: OsAuth,
    os_image: OsImage,
    os_keystone_domain: OsKeystoneDomain,
    os_keystone_endpoint: OsKeystoneEndpoint,
    os_keystone_role: OsKeystoneRole,
    os_keystone_service: OsKeystoneService,
    os_network: OsNetwork,
    os_nova_flavor: OsNovaFlavor,
    os_project: OsProject,
    os_subnet: OsSubnet,
    os_user: OsUser,
    os_user_role: OsUserRole,
    package: Package,
    package_facts: PackageFacts,
    pacman: Pacman,
    pamd: Pamd,
    parted: Parted,
    patch: Patch,
    ping: Ping,
    pip: Pip,
    postgresql_db: PostgresqlDb,
    postgresql_ext: PostgresqlExt,
    postgresql_owner: PostgresqlOwner,
    postgresql_ping: PostgresqlPing,
    postgresql_privs: PostgresqlPrivs,
    postgresql_query: PostgresqlQuery,
    postgresql_schema: PostgresqlSchema,
    postgresql_user: PostgresqlUser,
    rabbitmq_plugin: RabbitmqPlugin,
    rabbitmq_policy: RabbitmqPolicy,
    rabbitmq_user: RabbitmqUser,
    rabbitmq_vhost: RabbitmqVhost,
    raw: Raw,
    replace: Replace,
    rpm_key: RpmKey,
    script: Script,
    seboolean: Seboolean,
    selinux: Selinux,
    service: Service,
    service_facts: ServiceFacts,
    setup: Setup,
    shell: Shell,
    slurp: Slurp,
    stat: Stat,
    subversion: Subversion,
    sysctl: Sysctl,
    systemd: Systemd,
    tempfile: TempFile,
    timezone: Timezone,
    ufw: Ufw,
    unarchive: Unarchive,
    uri: UriModule,
    user: User,
    wait_for: WaitFor,
    x509_certificate: X509Certificate,
    x509_certificate_info: X509CertificateInfo,
    xml: Xml,
    yum_repository: YumRepository,
    zfs: Zfs,
    zypper: Zypper,
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
