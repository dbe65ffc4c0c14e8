//! Decisions over records of a real container of engine 20.10.

use ocplay_protocol::Arguments;
use serde_json::{Value, json};

use super::*;

fn record() -> Value {
    serde_json::from_str(include_str!("samples/container.json")).unwrap()
}

fn image() -> Value {
    serde_json::from_str(include_str!("samples/image.json")).unwrap()
}

fn args(more: Value) -> Args {
    let mut all = json!({"name": "a", "image": "ocplay-test-busybox:1"});
    all.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    Args::read(all.as_object().unwrap().clone()).unwrap()
}

fn over(container: Value, more: Value) -> Decision {
    let mut situation = Situation {
        wanted_image: image(),
        ..Situation::default()
    };
    situation.facts.container = container;
    situation.facts.image = image();
    decide(&args(more), &situation).unwrap()
}

fn lines(decision: &Decision) -> Vec<String> {
    decision.lines().map(|line| line.show(None)).collect()
}

fn fields(decision: &Decision) -> Vec<String> {
    let fields = decision.differences.iter();
    fields.map(|difference| difference.field.clone()).collect()
}

#[test]
fn nothing_to_do() {
    for more in [
        json!({}),
        json!({"command": "sleep 1000", "network_mode": "host", "volumes": ["/tmp:/x:ro"]}),
        json!({"env": {"FOO": "bar"}, "labels": {"net.test": "x"}, "memory": "64m"}),
        json!({"ports": ["90:80"], "exposed_ports": ["80"], "stop_signal": "INT"}),
        json!({"env": {"FOO": "bar"}, "labels": {}, "comparisons": {"*": "strict"}}),
        json!({"state": "present"}),
        json!({"container_default_behavior": "compatibility", "memory": "64m"}),
    ] {
        let decision = over(record(), more.clone());
        assert_eq!(
            lines(&decision),
            [""; 0],
            "{more} {:?}",
            decision.differences
        );
    }
}

#[test]
fn what_differs_is_named() {
    for (more, field) in [
        (json!({"command": ["sleep", "5"]}), "command"),
        (json!({"entrypoint": ["sh"]}), "entrypoint"),
        (json!({"network_mode": "bridge"}), "network_mode"),
        (json!({"volumes": ["/tmp:/x"]}), "volumes"),
        (json!({"env": {"FOO": "other"}}), "env.FOO"),
        (json!({"labels": {"new": "1"}}), "labels.new"),
        (json!({"ports": ["91:80"]}), "published_ports"),
        (json!({"privileged": true}), "privileged"),
        (json!({"user": "5"}), "user"),
        (json!({"image": "ocplay-test-busybox:2"}), "image"),
        (json!({"capabilities": ["NET_ADMIN"]}), "capabilities"),
        (json!({"healthcheck": {"test": "true"}}), "healthcheck.test"),
        (
            json!({"env": {}, "comparisons": {"env": "strict"}}),
            "env.FOO",
        ),
        (
            json!({"mounts": [{"type": "tmpfs", "target": "/t"}]}),
            "mounts",
        ),
    ] {
        let decision = over(record(), more.clone());
        assert_eq!(fields(&decision), [field], "{more}");
        let lines = lines(&decision);
        assert_eq!(lines[..2], ["docker stop a", "docker rm a"], "{more}");
        assert!(
            lines[2].starts_with("docker run --detach --name a "),
            "{lines:?}"
        );
        // And nobody cares if it is said so.
        let mut more = more;
        if field != "env.FOO" {
            more["comparisons"] = json!({"*": "ignore"});
            assert_eq!(over(record(), more).differences, []);
        }
    }
}

#[test]
fn limits_change_in_place() {
    let decision = over(
        record(),
        json!({"memory": "128m", "cpus": 1.5, "restart_policy": "always"}),
    );
    assert_eq!(
        lines(&decision),
        ["docker update --restart always --memory 134217728 --memory-swap 268435456 --cpus 1.5 a"]
    );
    // No limit at all cannot be said to a container that is there.
    let decision = over(record(), json!({"memory": "0"}));
    assert_eq!(lines(&decision)[1], "docker rm a");
}

#[test]
fn states() {
    let mut stopped = record();
    stopped["State"] = json!({"Status": "exited", "Running": false});
    assert_eq!(lines(&over(stopped.clone(), json!({}))), ["docker start a"]);
    assert_eq!(
        lines(&over(stopped.clone(), json!({"state": "stopped"}))),
        [""; 0]
    );
    assert_eq!(
        lines(&over(stopped.clone(), json!({"restart": true}))),
        ["docker start a"]
    );
    assert_eq!(
        lines(&over(
            stopped.clone(),
            json!({"state": "absent", "keep_volumes": false})
        )),
        ["docker rm --volumes a"]
    );
    assert_eq!(
        lines(&over(
            record(),
            json!({"state": "stopped", "stop_timeout": 3})
        )),
        ["docker stop -t 3 a"]
    );
    assert_eq!(
        lines(&over(
            record(),
            json!({"state": "absent", "force_kill": true, "kill_signal": "INT"})
        )),
        ["docker kill --signal INT a", "docker rm --force a"]
    );
    assert_eq!(
        lines(&over(record(), json!({"restart": true}))),
        ["docker restart a"]
    );
    assert_eq!(
        lines(&over(record(), json!({"paused": true}))),
        ["docker pause a"]
    );
    assert_eq!(lines(&over(record(), json!({"recreate": true}))).len(), 3);
    assert_eq!(
        lines(&over(Value::Null, json!({"state": "absent"}))),
        [""; 0]
    );
    let mut removed = record();
    removed["HostConfig"]["AutoRemove"] = json!(true);
    let decision = over(removed, json!({"state": "absent"}));
    assert_eq!(lines(&decision), ["docker stop a"]);
    assert_eq!(decision.steps.last(), Some(&Step::Gone));
    let mut dead = record();
    dead["State"] = json!({"Status": "dead", "Dead": true});
    assert_eq!(lines(&over(dead, json!({})))[0], "docker rm --force a");
}

#[test]
fn a_new_container() {
    let more = json!({
        "command": "server --name 'a b'", "env": {"TOKEN": "s3cret", "URL": "http://u:p@h/", "A": "1"},
        "restart_policy": "on-failure", "restart_retries": 2, "entrypoint": ["/tini", "--"],
        "networks": [{"name": "one", "aliases": ["x"]}, {"name": "two", "ipv4_address": "10.0.0.2"}],
    });
    let decision = over(Value::Null, more.clone());
    assert_eq!(
        lines(&decision),
        [
            "TOKEN=******** URL=******** docker create --name a --restart on-failure:2 --env TOKEN \
             --env URL --env A=1 --network one --network-alias x --entrypoint /tini \
             ocplay-test-busybox:1 -- server --name 'a b'",
            "docker network connect --ip 10.0.0.2 two a",
            "docker start a",
        ]
    );
    let text = format!("{:?}", decision.differences);
    assert!(!text.contains("s3cret"));
    let mut alone = more;
    alone.as_object_mut().unwrap().remove("networks");
    alone["state"] = json!("present");
    assert!(lines(&over(Value::Null, alone))[0].contains(" docker create --name a "));
}

#[test]
fn secrets_are_masked_in_differences() {
    let decision = over(record(), json!({"env": {"DB_PASSWORD": "hunter2"}}));
    let text = format!("{:?}", decision.differences);
    assert!(
        text.contains("env.DB_PASSWORD") && !text.contains("hunter2"),
        "{text}"
    );
}

#[test]
fn another_build_of_the_image() {
    let mut situation = Situation {
        wanted_image: image(),
        ..Situation::default()
    };
    situation.facts.container = record();
    situation.wanted_image["Id"] = json!("sha256:0123456789abcdef");
    let decision = decide(&args(json!({})), &situation).unwrap();
    assert_eq!(fields(&decision), ["image"]);
    let decision = decide(
        &args(json!({"comparisons": {"image": "ignore"}})),
        &situation,
    )
    .unwrap();
    assert_eq!(decision.differences, []);
}

#[test]
fn images_that_are_not_there() {
    let situation = |check| Situation {
        check,
        ..Situation::default()
    };
    let decision = decide(&args(json!({})), &situation(false)).unwrap();
    assert_eq!(lines(&decision)[0], "docker pull ocplay-test-busybox:1");
    let never = args(json!({"pull": "never"}));
    assert!(
        decide(&never, &situation(false))
            .unwrap_err()
            .contains("pull: never")
    );
    assert!(decide(&never, &situation(true)).is_ok());
    let always = args(json!({"pull": true}));
    let mut there = situation(true);
    there.wanted_image = image();
    assert_eq!(decide(&always, &there).unwrap().pull, None);
    there.check = false;
    assert!(decide(&always, &there).unwrap().pull.is_some());
}

#[test]
fn mistakes_are_explained() {
    for (more, part) in [
        (json!({"env": {"A": true}}), "put it in quotes"),
        (json!({"memory": "lots"}), "no size"),
        (json!({"ulimits": ["x"]}), "name:soft:hard"),
        (
            json!({"healthcheck": {"test": ["true"]}}),
            "begins with CMD",
        ),
        (
            json!({"healthcheck": {"test": "x", "interval": "30"}}),
            "with units",
        ),
        (json!({"command": "a 'b"}), "command"),
        (
            json!({"comparisons": {"nosuch": "strict"}}),
            "no such option",
        ),
        (
            json!({"mounts": [{"type": "bind", "target": "/t"}]}),
            "no source",
        ),
    ] {
        let error = decide(&args(more), &Situation::default()).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}
