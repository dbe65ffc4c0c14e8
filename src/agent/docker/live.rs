//! Runs the modules against a real engine, when asked to (`--ignored`):
//! OCPLAY_TEST_DOCKER names its socket, OCPLAY_TEST_IMAGE an image with sleep
//! and sh. What it makes is
//! called ocplay-test-… and removed again.

use std::sync::Arc;

use ocplay_protocol::{Outcome, Request};
use serde_json::{Value, json};

use crate::host::channel::{Channel, Context};
use crate::modules;

struct Lab {
    host: String,
    image: String,
}

fn lab() -> Lab {
    let given = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("set {name}"));
    Lab {
        host: format!("unix://{}", given("OCPLAY_TEST_DOCKER")),
        image: given("OCPLAY_TEST_IMAGE"),
    }
}

impl Lab {
    fn run(&self, module: &str, mut args: Value, check: bool) -> (Outcome, Value) {
        args["docker_host"] = json!(self.host);
        let mut request = Request {
            task: 1,
            heard: 0,
            behind: None,
            module: module.to_owned(),
            args: args.to_string(),
            check,
            diff: true,
            environment: Vec::new(),
            blobs: Vec::new(),
            detached: None,
        };
        let channel = Arc::new(Channel::new(std::io::sink()));
        let (context, _handle) = Context::new(&mut request, &channel);
        let outcome = modules::run(&request.module, &request.args, context);
        let result = serde_json::from_str(&outcome.result).unwrap();
        (outcome, result)
    }

    /// Foreseen as changed, changed, and then as it should be.
    fn changes(&self, module: &str, args: &Value) -> Value {
        let (outcome, result) = self.run(module, args.clone(), true);
        assert!(!outcome.failed && outcome.changed, "check: {args} {result}");
        let (outcome, result) = self.run(module, args.clone(), false);
        assert!(!outcome.failed && outcome.changed, "{args} {result:#}");
        self.same(module, args);
        result
    }

    fn same(&self, module: &str, args: &Value) -> Value {
        for check in [false, true] {
            let (outcome, result) = self.run(module, args.clone(), check);
            let what = format!("{args} {} {:?}", result["differences"], outcome.diff);
            assert!(!outcome.failed, "{args} {result}");
            assert!(!outcome.changed, "changed again: {what}");
        }
        self.run(module, args.clone(), false).1
    }

    fn fails(&self, module: &str, args: Value, message: &str) {
        let (outcome, result) = self.run(module, args, false);
        assert!(outcome.failed, "{result}");
        let text = result["msg"].as_str().unwrap();
        assert!(text.contains(message), "{text}");
    }

    fn gone(&self, name: &str) {
        let args = json!({"name": name, "state": "absent", "force_kill": true});
        let (outcome, result) = self.run("docker_container", args, false);
        assert!(!outcome.failed, "{result}");
    }
}

fn fields(result: &Value) -> Vec<&str> {
    result["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| difference["field"].as_str().unwrap())
        .collect()
}

#[test]
#[ignore = "needs a Docker engine: OCPLAY_TEST_DOCKER and OCPLAY_TEST_IMAGE"]
fn the_life_of_a_container() {
    let lab = lab();
    let name = "ocplay-test-life";
    lab.gone(name);
    let mut args = json!({
        "name": name, "image": lab.image, "command": "sleep 1000", "network_mode": "host",
        "env": {"A": "1", "DB_PASSWORD": "hunter2"}, "labels": {"x": "y"},
        "volumes": ["/tmp:/x:ro"], "restart_policy": "unless-stopped", "stop_timeout": 1,
    });
    let made = lab.changes("docker_container", &args);
    let line = made["docker_run"].as_str().unwrap();
    assert!(line.contains("DB_PASSWORD=********"), "{line}");
    assert!(!made["commands"].to_string().contains("hunter2"));
    assert!(
        made["container"]["Config"]["Env"]
            .to_string()
            .contains("hunter2")
    );
    assert_eq!(made["container"]["State"]["Running"], json!(true));
    let id = made["container"]["Id"].clone();

    let info = lab.same("docker_container_info", &json!({ "name": name }));
    assert_eq!(info["container"]["Id"], id);

    // Only the limits: no new container.
    args["memory"] = json!("64m");
    args["restart_policy"] = json!("always");
    let updated = lab.changes("docker_container", &args);
    assert_eq!(updated["container"]["Id"], id);
    assert_eq!(fields(&updated), ["restart_policy", "memory"]);

    args["env"]["A"] = json!("2");
    args["env"]["DB_PASSWORD"] = json!("hunter3");
    let (outcome, _) = lab.run("docker_container", args.clone(), true);
    let diff = format!("{:?}", outcome.diff);
    assert!(diff.contains("env.A") && !diff.contains("hunter"), "{diff}");
    let again = lab.changes("docker_container", &args);
    assert_eq!(fields(&again), ["env.A", "env.DB_PASSWORD"]);
    assert_ne!(again["container"]["Id"], id);
    let id = again["container"]["Id"].clone();

    args["state"] = json!("stopped");
    lab.changes("docker_container", &args);
    args["state"] = json!("started");
    let started = lab.changes("docker_container", &args);
    assert_eq!(started["container"]["Id"], id);
    assert_eq!(fields(&started), ["state"]);

    args["restart"] = json!(true);
    let (outcome, result) = lab.run("docker_container", args.clone(), false);
    assert!(outcome.changed, "{result}");
    assert_eq!(result["container"]["Id"], id);
    args["restart"] = json!(false);
    args["paused"] = json!(true);
    lab.changes("docker_container", &args);
    args["paused"] = json!(false);
    lab.changes("docker_container", &args);

    lab.same("docker_container", &json!({ "name": name }));
    lab.changes(
        "docker_container",
        &json!({"name": name, "state": "absent", "stop_timeout": 1}),
    );
    lab.fails("docker_container", json!({ "name": name }), "no container");
    let info = lab.same("docker_container_info", &json!({ "name": name }));
    assert_eq!(
        (&info["exists"], &info["container"]),
        (&json!(false), &Value::Null)
    );
}

#[test]
#[ignore = "needs a Docker engine: OCPLAY_TEST_DOCKER and OCPLAY_TEST_IMAGE"]
fn a_container_with_everything() {
    let lab = lab();
    let name = "ocplay-test-all";
    lab.gone(name);
    let text = r#"{
        "state": "present", "entrypoint": ["sh", "-c"],
        "command": ["sleep 5; echo $A"], "network_mode": "none", "capabilities": ["net_admin"],
        "cap_drop": ["CAP_MKNOD"], "devices": ["/dev/null:/dev/xnull"], "groups": ["5"],
        "healthcheck": {"test": ["CMD", "true", "a b"], "interval": "1m30s", "retries": 4},
        "sysctls": {"net.core.somaxconn": 100}, "ulimits": ["nofile:10:20", "nproc:5"],
        "tmpfs": ["/t:size=1m", "/u"], "security_opts": ["no-new-privileges"],
        "mounts": [
            {"type": "bind", "source": "/tmp", "target": "/m/", "read_only": true, "propagation": "rslave"},
            {"type": "tmpfs", "target": "/n", "tmpfs_size": "1m", "tmpfs_mode": "0700"},
            {"type": "volume", "source": "ocplay-test-all", "target": "/v", "no_copy": true}
        ],
        "volumes": ["/anonymous", "ocplay-test-all2:/nv", "/etc/:/e:ro,rslave"],
        "etc_hosts": {"h": "1.2.3.4"}, "dns_search_domains": ["a.b"],
        "log_driver": "json-file", "log_options": {"max-size": "1m"}, "restart_policy": "on-failure",
        "restart_retries": 3, "cpus": 0.5, "cpu_shares": 512, "cpuset_cpus": "0", "memory": "64m",
        "memory_reservation": "32m", "init": true, "ipc_mode": "host", "pid_mode": "host",
        "uts": "host", "shm_size": "10m", "stop_signal": "SIGINT", "oom_score_adj": 5,
        "published_ports": ["127.0.0.1:9000:80/udp", "9001:81"], "exposed_ports": ["90-91"],
        "working_dir": "/tmp", "user": "0:0", "read_only": true, "tty": true, "interactive": true,
        "privileged": false, "cgroupns_mode": "private", "pids_limit": 50, "runtime": "runc",
        "env": {"MULTI": "a\nb", "EMPTY": "", "N": 5}, "labels": {"quotes": "a b 'c'"},
        "comparisons": {"*": "strict", "networks": "ignore", "hostname": "ignore"}
    }"#;
    let mut args: Value = serde_json::from_str(text).unwrap();
    args["name"] = json!(name);
    args["image"] = json!(lab.image);
    lab.changes("docker_container", &args);
    lab.gone(name);
}

#[test]
#[ignore = "needs a Docker engine: OCPLAY_TEST_DOCKER and OCPLAY_TEST_IMAGE"]
fn a_container_that_ends() {
    let lab = lab();
    let name = "ocplay-test-end";
    lab.gone(name);
    let mut args = json!({
        "name": name, "image": lab.image, "command": ["sh", "-c", "echo out; echo err >&2; exit 3"],
        "detach": false, "cleanup": true, "network_mode": "none",
    });
    let (outcome, result) = lab.run("docker_container", args.clone(), false);
    assert!(outcome.failed && outcome.changed, "{result}");
    assert_eq!(result["status"], json!(3));
    assert!(result["msg"].as_str().unwrap().contains("err"), "{result}");
    args["command"] = json!(["sh", "-c", "echo out"]);
    let (outcome, result) = lab.run("docker_container", args, false);
    assert!(!outcome.failed, "{result}");
    assert_eq!(result["status"], json!(0));
    assert_eq!(result["container"]["Output"], json!("out\n"));
    let info = lab.same("docker_container_info", &json!({ "name": name }));
    assert_eq!(info["exists"], json!(false));
    let wrong = json!({"name": name, "image": lab.image, "command": "no-such-program", "network_mode": "none"});
    lab.fails("docker_container", wrong, "no-such-program");
    let missing = json!({"name": name, "image": "localhost:1/none:1", "pull": "never"});
    lab.gone(name);
    lab.fails("docker_container", missing, "pull: never");
    let missing = json!({"name": name, "image": "localhost:1/none:1"});
    lab.fails("docker_container", missing, "cannot fetch the image");
}

#[test]
#[ignore = "needs a Docker engine: OCPLAY_TEST_DOCKER and OCPLAY_TEST_IMAGE"]
fn a_healthy_container() {
    let lab = lab();
    let name = "ocplay-test-healthy";
    lab.gone(name);
    let mut args = json!({
        "name": name, "image": lab.image, "command": "sleep 100", "state": "healthy",
        "network_mode": "none", "healthy_wait_timeout": 20,
        "healthcheck": {"test": "true", "interval": "1s", "retries": 1},
    });
    lab.changes("docker_container", &args);
    args["healthcheck"]["test"] = json!("echo broken; false");
    lab.fails("docker_container", args, "broken");
    lab.gone(name);
}

#[test]
#[ignore = "needs a Docker engine: OCPLAY_TEST_DOCKER and OCPLAY_TEST_IMAGE"]
fn the_life_of_an_image() {
    let lab = lab();
    let directory = tempfile::tempdir().unwrap();
    let dockerfile = format!("FROM {}\nARG V\nLABEL v=$V\nENV E=1\n", lab.image);
    crate::cases::write(&directory.path().join("Dockerfile"), &dockerfile);
    let name = "ocplay-test-image";
    for name in [name, "ocplay-test-image2:latest"] {
        let absent = json!({"name": name, "state": "absent", "force_absent": true});
        lab.run("docker_image", absent, false);
    }
    let mut args = json!({
        "name": name, "source": "build",
        "build": {"path": directory.path(), "network": "none", "args": {"V": "1"}},
    });
    let built = lab.changes("docker_image", &args);
    assert_eq!(built["image"]["Config"]["Labels"]["v"], json!("1"));
    assert!(
        built["stdout"]
            .as_str()
            .unwrap()
            .contains("Successfully built")
    );
    // The same again, from the cache: nothing new.
    args["force_source"] = json!(true);
    let (outcome, result) = lab.run("docker_image", args.clone(), false);
    assert!(!outcome.changed && !outcome.failed, "{result}");
    args["build"]["args"]["V"] = json!("2");
    let (outcome, _) = lab.run("docker_image", args.clone(), false);
    assert!(outcome.changed);

    let archive = directory.path().join("image.tar");
    let save = json!({"name": name, "source": "local", "archive_path": archive, "repository": "ocplay-test-image2"});
    lab.changes("docker_image", &save);
    lab.changes("docker_image", &json!({"name": name, "state": "absent"}));
    lab.changes(
        "docker_image",
        &json!({"name": name, "source": "load", "load_path": archive}),
    );
    let info = lab.same(
        "docker_image_info",
        &json!({"name": [name, "ocplay-test-none"]}),
    );
    assert_eq!(info["images"].as_array().unwrap().len(), 1);
    lab.fails(
        "docker_image",
        json!({"name": "localhost:1/x", "source": "pull"}),
        "pull localhost:1/x:latest failed",
    );
    lab.fails(
        "docker_image",
        json!({"name": "ocplay-test-none", "source": "local"}),
        "no image",
    );
    crate::cases::write(
        &directory.path().join("Dockerfile"),
        &format!("FROM {}\nRUN echo here; exit 4\n", lab.image),
    );
    lab.fails("docker_image", args, "here");
    lab.changes("docker_image", &json!({"name": name, "state": "absent"}));
    lab.changes(
        "docker_image",
        &json!({"name": "ocplay-test-image2", "state": "absent"}),
    );
}

#[test]
#[ignore = "needs a Docker engine: OCPLAY_TEST_DOCKER and OCPLAY_TEST_IMAGE"]
fn the_life_of_a_network_and_a_volume() {
    let lab = lab();
    let (network, other, member) = ("ocplay-test-net", "ocplay-test-net2", "ocplay-test-member");
    lab.gone(member);
    for name in [network, other] {
        lab.run(
            "docker_network",
            json!({"name": name, "state": "absent"}),
            false,
        );
    }
    let mut args = json!({
        "name": network, "driver_options": {"com.docker.network.bridge.name": "ocplaytest0"},
        "ipam_config": [{"subnet": "10.99.0.0/24", "aux_addresses": {"a": "10.99.0.9"}}],
        "labels": {"x": "y"}, "internal": true,
    });
    let made = lab.changes("docker_network", &args);
    assert_eq!(made["network"]["Labels"]["x"], json!("y"));
    lab.changes("docker_network", &json!({"name": other, "internal": true}));

    let container = json!({
        "name": member, "image": lab.image, "command": "sleep 100", "stop_timeout": 0, "networks": [
            {"name": network, "ipv4_address": "10.99.0.5", "aliases": ["alias"]}, {"name": other},
        ],
    });
    let made = lab.changes("docker_container", &container);
    let id = made["container"]["Id"].clone();
    let networks = &made["container"]["NetworkSettings"]["Networks"];
    assert_eq!(networks[network]["IPAddress"], json!("10.99.0.5"));
    assert!(
        made["docker_run"]
            .as_str()
            .unwrap()
            .contains("network connect")
    );

    // One network more or less does not make a new container.
    let mut fewer = container.clone();
    fewer["networks"] = json!([{"name": network, "ipv4_address": "10.99.0.6"}]);
    fewer["comparisons"] = json!({"networks": "strict"});
    let moved = lab.changes("docker_container", &fewer);
    assert_eq!(moved["container"]["Id"], id);
    assert_eq!(
        fields(&moved),
        ["networks.ocplay-test-net", "networks.ocplay-test-net2"]
    );

    lab.changes(
        "docker_network",
        &json!({"name": other, "internal": true, "connected": [member]}),
    );
    args["labels"]["x"] = json!("z");
    let anew = lab.changes("docker_network", &args);
    assert!(anew["network"]["Containers"].to_string().contains(member));
    lab.gone(member);
    for name in [network, other] {
        lab.changes("docker_network", &json!({"name": name, "state": "absent"}));
    }

    let mut args = json!({
        "name": "ocplay-test-volume", "labels": {"a": "1"},
        "driver_options": {"type": "tmpfs", "device": "tmpfs"},
    });
    lab.run(
        "docker_volume",
        json!({"name": "ocplay-test-volume", "state": "absent"}),
        false,
    );
    lab.changes("docker_volume", &args);
    args["labels"]["a"] = json!("2");
    let same = lab.same("docker_volume", &args);
    assert!(same["warnings"][0].as_str().unwrap().contains("labels.a"));
    args["recreate"] = json!("options-changed");
    lab.changes("docker_volume", &args);
    lab.changes(
        "docker_volume",
        &json!({"name": "ocplay-test-volume", "state": "absent"}),
    );
}

#[test]
#[ignore = "needs a Docker engine: OCPLAY_TEST_DOCKER and OCPLAY_TEST_IMAGE"]
fn what_an_engine_has() {
    let lab = lab();
    let name = "ocplay-test-exec";
    lab.gone(name);
    let args = json!({
        "name": name, "image": lab.image, "command": "sleep 100", "network_mode": "none",
        "stop_timeout": 0,
    });
    lab.changes("docker_container", &args);
    let info = lab.same(
        "docker_host_info",
        &json!({
            "containers": true, "images": true, "networks": true, "volumes": true,
            "disk_usage": true, "containers_filters": {"name": name},
        }),
    );
    assert_eq!(info["containers"].as_array().unwrap().len(), 1, "{info}");
    assert!(info["host_info"]["ServerVersion"].is_string());
    assert!(info["disk_usage"]["LayersSize"].is_number());
    let run = |args: Value| lab.run("docker_container_exec", args, false);
    let (outcome, result) = run(json!({
        "container": name, "argv": ["sh", "-c", "cat; echo $A; pwd; echo no >&2; exit 3"],
        "stdin": "in", "env": {"A": "secret"}, "chdir": "/tmp",
    }));
    assert!(outcome.failed && outcome.changed, "{result}");
    assert_eq!(
        (&result["rc"], &result["stdout"], &result["stderr"]),
        (&json!(3), &json!("in\nsecret\n/tmp"), &json!("no"))
    );
    let (outcome, result) = run(json!({"container": name, "command": "true", "detach": true}));
    assert!(!outcome.failed && result["exec_id"].is_string(), "{result}");
    lab.fails(
        "docker_container_exec",
        json!({"container": "ocplay-test-none", "command": "true"}),
        "Could not find container",
    );
    lab.gone(name);
    let info = lab.same("docker_network_info", &json!({"name": "none"}));
    assert_eq!(info["network"]["Driver"], json!("null"));
    let info = lab.same("docker_volume_info", &json!({"name": "ocplay-test-none"}));
    assert_eq!(info["exists"], json!(false));
    let args = json!({
        "name": name, "image": lab.image, "command": "true", "network_mode": "none",
        "state": "present", "labels": {"ocplay-test": "1"},
    });
    lab.changes("docker_container", &args);
    let prune = json!({"containers": true, "containers_filters": {"label": "ocplay-test=1"}});
    let (outcome, result) = lab.run("docker_prune", prune.clone(), false);
    assert!(outcome.changed, "{result}");
    assert_eq!(result["containers"].as_array().unwrap().len(), 1);
    let (outcome, result) = lab.run("docker_prune", prune, false);
    assert!(!outcome.changed && !outcome.failed, "{result}");
}

#[test]
#[ignore = "needs a Docker engine: OCPLAY_TEST_DOCKER and OCPLAY_TEST_IMAGE"]
fn images_step_by_step() {
    let lab = lab();
    let directory = tempfile::tempdir().unwrap();
    let dockerfile = format!("FROM {}\nLABEL x=y\n", lab.image);
    crate::cases::write(&directory.path().join("Dockerfile"), &dockerfile);
    let name = "ocplay-test-steps";
    let remove = json!({"name": name, "force": true});
    lab.run("docker_image_remove", remove.clone(), false);
    let other = json!({"name": "ocplay-test-other", "force": true});
    lab.run("docker_image_remove", other.clone(), false);
    lab.changes(
        "docker_image_build",
        &json!({"name": name, "path": directory.path(), "network": "none"}),
    );
    let tagged = lab.changes(
        "docker_image_tag",
        &json!({"name": name, "repository": ["ocplay-test-other"]}),
    );
    assert_eq!(tagged["tagged_images"], json!(["ocplay-test-other:latest"]));
    let archive = directory.path().join("a.tar");
    lab.changes(
        "docker_image_export",
        &json!({"names": [name, "ocplay-test-other"], "path": archive}),
    );
    lab.changes("docker_image_remove", &other);
    let removed = lab.changes("docker_image_remove", &remove);
    assert_eq!(removed["untagged"], json!([format!("{name}:latest")]));
    let loaded = lab.changes("docker_image_load", &json!({ "path": archive }));
    assert_eq!(loaded["image_names"].as_array().unwrap().len(), 2);
    lab.fails(
        "docker_image_pull",
        json!({"name": "localhost:1/none"}),
        "localhost:1/none",
    );
    lab.fails(
        "docker_image_push",
        json!({"name": "ocplay-test-none"}),
        "there is no image",
    );
    lab.changes("docker_image_remove", &other);
    lab.changes("docker_image_remove", &remove);
}

#[test]
#[ignore = "needs a Docker engine: OCPLAY_TEST_DOCKER and OCPLAY_TEST_IMAGE, and Compose"]
fn the_life_of_a_project() {
    let lab = lab();
    let directory = tempfile::tempdir().unwrap();
    let write = |command: &str| {
        let text = format!(
            "name: ocplay-test\nservices:\n  one:\n    image: {}\n    command: {command}\n    \
             network_mode: none\n    stop_grace_period: 0s\n",
            lab.image
        );
        crate::cases::write(&directory.path().join("compose.yaml"), &text);
    };
    write("sleep 100");
    let mut args = json!({"project_src": directory.path(), "pull": "never"});
    let absent = json!({"project_src": directory.path(), "state": "absent"});
    lab.run("docker_compose_v2", absent.clone(), false);
    let up = lab.changes("docker_compose_v2", &args);
    assert_eq!(up["containers"][0]["State"], json!("running"), "{up}");
    assert_eq!(up["actions"][0]["status"], json!("Created"));
    write("sleep 200");
    let anew = lab.changes("docker_compose_v2", &args);
    assert_ne!(anew["containers"][0]["ID"], up["containers"][0]["ID"]);
    args["scale"] = json!({"one": 2});
    let more = lab.changes("docker_compose_v2", &args);
    assert_eq!(more["containers"].as_array().unwrap().len(), 2);
    args["state"] = json!("stopped");
    lab.changes("docker_compose_v2", &args);
    let old = json!({"project_src": directory.path()});
    let (outcome, result) = lab.run("docker_compose", old, false);
    assert!(outcome.changed && !outcome.failed, "{result}");
    assert!(
        result["warnings"][0]
            .as_str()
            .unwrap()
            .contains("docker_compose_v2")
    );
    lab.changes("docker_compose_v2", &absent);
    lab.fails(
        "docker_compose_v2",
        json!({"project_src": directory.path().join("none")}),
        "is not a directory",
    );
}

#[test]
#[ignore = "needs a Docker engine: OCPLAY_TEST_DOCKER and OCPLAY_TEST_IMAGE"]
fn a_login_that_is_refused_leaves_nothing() {
    let lab = lab();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let args = json!({
        "registry": "localhost:1", "username": "u", "password": "hunter2", "config_path": path,
    });
    let (outcome, result) = lab.run("docker_login", args.clone(), false);
    assert!(outcome.failed && !path.exists(), "{result}");
    assert!(!result.to_string().contains("hunter2"), "{result}");
    // What is noted is known, and goes again.
    crate::cases::write(
        &path,
        r#"{"auths": {"localhost:1": {"auth": "dTpodW50ZXIy"}}, "x": 1}"#,
    );
    lab.same("docker_login", &args);
    let out = json!({"registry": "localhost:1", "state": "absent", "config_path": path});
    lab.changes("docker_login", &out);
    let left = std::fs::read_to_string(&path).unwrap();
    assert!(
        left.contains("\"x\": 1") && !left.contains("dTpod"),
        "{left}"
    );
}
