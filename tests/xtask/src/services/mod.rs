//! The servers that the tests run on: whatever this machine can have, started, named and ended.
//!
//! Docker's where an engine answers; otherwise each from its published parts. Data, logs and tools lie under
//! `target/services`. What cannot be had is said loudly, and the rest starts.

mod clickhouse;
mod docker;
mod http;
mod kafka;
mod metadata;
mod minio;
mod pins;
mod place;
mod process;
mod server;
mod stores;
mod versitygw;

use std::sync::Mutex;
use std::time::Instant;

use self::clickhouse::ClickHouse;
use self::docker::Docker;
use self::kafka::Kafka;
use self::minio::Minio;
use self::place::Place;
use self::server::{Export, Server};
use self::versitygw::VersityGw;

const USAGE: &str = "\
cargo xtask services up [NAME…] [--brokers 1|3]   start what this machine can have; prints its environment
cargo xtask services down [NAME…] [--kill] [--purge]   end what was started here; --purge: its data too
cargo xtask services status                       what runs, and whether it answers
cargo xtask services prepare                      install what `up` needs, and start nothing
cargo xtask services test                         the tests of our own ClickHouse interface

NAME: kafka, clickhouse, minio, versitygw; without one, all. REPLAY_SERVICES=local: without Docker.";

/// Set to `local`, servers do not run in Docker even where there is one.
const CHOICE: &str = "REPLAY_SERVICES";

/// Holds this program, for tests that take servers away.
const CONTROL: &str = "REPLAY_TEST_SERVICES";

/// What was asked for after `up` and its like.
struct Wish {
    names: Vec<String>,
    brokers: Option<usize>,
    kill: bool,
    purge: bool,
}

pub(crate) fn services(args: &[String]) -> Result<(), String> {
    let Some((command, rest)) = args.split_first() else { return Err(format!("which?\n\n{USAGE}")) };
    let wish = wish(rest)?;
    match command.as_str() {
        "up" => {
            for (name, value) in up(&wish)? {
                println!("export {name}={}", quoted(&value));
            }
            Ok(())
        }
        "down" => down(&wish),
        "status" => status(),
        "prepare" => prepare(),
        "test" => test(),
        other => Err(format!("there is no `services {other}`\n\n{USAGE}")),
    }
}

/// Starts all; the environment of what answers.
pub(crate) fn up_all() -> Result<Vec<Export>, String> {
    up(&wish(&[])?)
}

/// Ends all that was started here when it goes out of scope, also after a failure.
pub(crate) struct DownAtTheEnd;

impl Drop for DownAtTheEnd {
    fn drop(&mut self) {
        if let Err(why) = wish(&[]).and_then(|all| down(&all)) {
            eprintln!("services: {why}");
        }
    }
}

/// The tests of our own ClickHouse interface.
pub(crate) fn test() -> Result<(), String> {
    let place = Place::open()?;
    let lock = place.lock()?;
    let prepared = ClickHouse.prepare(&place);
    drop(lock);
    let absent: Vec<_> = prepared.err().into_iter().map(|why| (ClickHouse.name(), why)).collect();
    complain(&absent)?;
    if absent.is_empty() { ClickHouse::test(&place) } else { Ok(()) }
}

fn wish(args: &[String]) -> Result<Wish, String> {
    let mut wish = Wish { names: Vec::new(), brokers: None, kill: false, purge: false };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--kill" => wish.kill = true,
            "--purge" => wish.purge = true,
            "--brokers" => {
                let number = args.next().and_then(|number| number.parse().ok());
                wish.brokers = Some(number.ok_or("--brokers needs a number: 1 or 3")?);
            }
            "kafka" | "clickhouse" | "minio" | "versitygw" => wish.names.push(arg.clone()),
            other => return Err(format!("`{other}` is not understood\n\n{USAGE}")),
        }
    }
    Ok(wish)
}

/// All that this recipe knows, those that take longest to install first.
fn known(place: &Place, brokers: Option<usize>) -> Result<Vec<Box<dyn Server>>, String> {
    Ok(vec![
        Box::new(Minio::new()?),
        Box::new(VersityGw::new()?),
        Box::new(Kafka::new(place, brokers)?),
        Box::new(ClickHouse),
    ])
}

fn asked_for(place: &Place, wish: &Wish) -> Result<Vec<Box<dyn Server>>, String> {
    let mut servers = known(place, wish.brokers)?;
    servers.retain(|server| wish.names.is_empty() || wish.names.iter().any(|name| name == server.name()));
    Ok(servers)
}

/// Installs what `up` needs; what this machine lacks is said there.
pub(crate) fn prepare() -> Result<(), String> {
    let place = Place::open()?;
    let _lock = place.lock()?;
    let servers = known(&place, None)?;
    let absent = each(&all(&servers), "installed", |server| server.prepare(&place));
    complain(&absent)
}

fn up(wish: &Wish) -> Result<Vec<Export>, String> {
    let place = Place::open()?;
    let _lock = place.lock()?;
    let servers = asked_for(&place, wish)?;
    let is_local = std::env::var(CHOICE).is_ok_and(|choice| choice == "local");
    let wants_many = wish.brokers.is_some_and(|brokers| brokers > 1);
    let absent = if !is_local && !wants_many && Docker::answers() {
        // For tests that run one of their own, or Kafka's tools.
        let tools: Vec<&dyn Server> = all(&servers).into_iter().filter(|s| s.is_a_tool()).collect();
        for (name, why) in each(&tools, "installed", |server| server.prepare(&place)) {
            eprintln!("services: without the parts of {name}: {why}");
        }
        Docker::open(&place)?.up(&place, &servers)?
    } else {
        each(&all(&servers), "up", |server| server.prepare(&place).and_then(|()| server.up(&place)))
    };
    complain(&absent)?;
    let is_there = |name: &str| absent.iter().all(|(other, _)| *other != name);
    let there = servers.iter().filter(|server| is_there(server.name()));
    let mut exports: Vec<Export> = there.flat_map(|server| server.exports(&place)).collect();
    // With which a test ends a server and starts it again.
    exports.extend(std::env::current_exe().ok().map(|us| (CONTROL, us.display().to_string())));
    Ok(exports)
}

fn down(wish: &Wish) -> Result<(), String> {
    if wish.purge && !wish.names.is_empty() {
        return Err("--purge removes the data of all servers: leave the names out".into());
    }
    let place = Place::open()?;
    let _lock = place.lock()?;
    let servers = asked_for(&place, wish)?;
    let docker = Docker::open(&place)?;
    if docker.was_used() {
        return docker.down(&servers, wish.names.is_empty(), wish.kill, wish.purge);
    }
    let processes: Vec<String> = servers.iter().flat_map(|server| server.processes()).collect();
    process::stop(&place, &processes, wish.kill)?;
    eprintln!("services: {} ended", names(&servers));
    if wish.purge { place.purge() } else { Ok(()) }
}

fn status() -> Result<(), String> {
    let place = Place::open()?;
    let mut silent = Vec::new();
    for server in known(&place, None)? {
        let state = server.probe(&place);
        let ports: Vec<String> = server
            .processes()
            .iter()
            .filter_map(|process| Some(format!("127.0.0.1:{}", place.port(process)?)))
            .collect();
        match &state {
            Ok(()) => println!("{:<11} ready   {}", server.name(), ports.join(",")),
            Err(why) => println!("{:<11} absent  {why}", server.name()),
        }
        silent.extend(state.is_err().then_some(server.name()));
    }
    if silent.is_empty() { Ok(()) } else { Err(format!("not there: {}", silent.join(", "))) }
}

/// Does something with each server at the same time; answers which failed, and why.
fn each(
    servers: &[&dyn Server],
    done: &str,
    work: impl Fn(&dyn Server) -> Result<(), String> + Sync,
) -> Vec<(&'static str, String)> {
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for server in servers {
            let (failed, work) = (&failed, &work);
            scope.spawn(move || {
                let start = Instant::now();
                match work(*server) {
                    Ok(()) => {
                        let seconds = start.elapsed().as_secs_f64();
                        eprintln!("services: {} is {done} ({seconds:.1} s)", server.name());
                    }
                    Err(why) => failed.lock().unwrap_or_else(|e| e.into_inner()).push((server.name(), why)),
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(|e| e.into_inner())
}

/// Says what this machine cannot have. With `REQUIRE_SERVICES=1` that is an error.
fn complain(absent: &[(&str, String)]) -> Result<(), String> {
    for (name, why) in absent {
        eprintln!("\nNOT THERE: {name}: {why}\n");
    }
    if !absent.is_empty() && std::env::var("REQUIRE_SERVICES").is_ok_and(|value| value == "1") {
        let names: Vec<&str> = absent.iter().map(|(name, _)| *name).collect();
        return Err(format!("REQUIRE_SERVICES=1, and there is no {}", names.join(", no ")));
    }
    Ok(())
}

fn all(servers: &[Box<dyn Server>]) -> Vec<&dyn Server> {
    servers.iter().map(AsRef::as_ref).collect()
}

fn names(servers: &[Box<dyn Server>]) -> String {
    servers.iter().map(|server| server.name()).collect::<Vec<_>>().join(", ")
}

/// A value as a shell reads it back.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/:.,_-=@+".contains(c);
    if value.chars().all(is_plain) { value.to_owned() } else { format!("'{}'", value.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{quoted, wish};

    #[test]
    fn a_shell_reads_back_what_was_printed() {
        for value in ["http://127.0.0.1:9000", "/a folder/with 'quotes' and $HOME", ""] {
            let line = format!("printf %s {}", quoted(value));
            assert_eq!(crate::shell::output("sh", &["-c", &line]).unwrap(), value);
        }
    }

    #[test]
    fn a_wish_is_read() {
        let args = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        let read = wish(&args("kafka --brokers 3")).unwrap();
        assert_eq!((read.names, read.brokers), (vec!["kafka".to_owned()], Some(3)));
        assert!(wish(&args("--brokers")).is_err());
        assert!(wish(&args("kafak")).is_err());
    }
}
