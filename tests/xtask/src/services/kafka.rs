//! Apache Kafka from its published jars: one process that is broker and controller, or three of them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::metadata;
use super::pins::version;
use super::place::{self, Place};
use super::process;
use super::server::{Export, Server, install, needs, port};
use crate::shell;

/// A JVM's start, the quorum, and the log's recovery after a kill.
const PATIENCE: Duration = Duration::from_secs(180);
/// Enough for messages of 64 MiB.
const HEAP: &str = "-Xmx768m";
/// Any 16 bytes in base64: a cluster of ours is told from another by its folder.
const CLUSTER_ID: &str = "cmVwbGF5LXNlcnZpY2VzMQ";
/// The largest message, with room around 64 MiB of payload.
const MESSAGE_BYTES: u32 = 70_000_000;
/// The topics of a config that says nothing else, with their settings.
const TOPICS: [(&str, &[&str]); 2] = [
    ("gosight.replay.chunks", &["--partitions", "6"]),
    ("gosight.replay.dead", &["--partitions", "3", "--config", "cleanup.policy=compact"]),
];

pub(super) struct Kafka {
    /// Brokers of the cluster: one or three.
    brokers: usize,
}

impl Kafka {
    /// The cluster that there is, or one broker; `wanted` when a number was asked for.
    pub(super) fn new(place: &Place, wanted: Option<usize>) -> Result<Self, String> {
        let running = (1..=3).filter(|n| process::running(place, &broker(*n)).is_some()).count();
        match wanted {
            Some(brokers @ (1 | 3)) if running == 0 || running == brokers => Ok(Self { brokers }),
            Some(1 | 3) => {
                Err(format!("kafka runs with {running} brokers; `cargo xtask services down kafka` first"))
            }
            Some(other) => Err(format!("kafka runs with 1 or 3 brokers, not with {other}")),
            // What is known of the second tells how many there were.
            None => Ok(Self { brokers: if place.pid_file(&broker(2)).exists() { 3 } else { 1 } }),
        }
    }

    fn home(place: &Place) -> Result<PathBuf, String> {
        Ok(place.tool(&format!("kafka-{}", version("KAFKA")?)))
    }

    fn java(place: &Place) -> Result<Command, String> {
        let mut java = Command::new("java");
        let log = shell::root().join("tests/services/kafka/log4j2.xml");
        java.arg(HEAP).arg(format!("-Dlog4j2.configurationFile={}", log.display()));
        java.arg("-cp").arg(Self::home(place)?.join("lib/*"));
        Ok(java)
    }

    fn names(&self) -> impl Iterator<Item = (usize, String)> {
        (1..=self.brokers).map(|number| (number, broker(number)))
    }

    fn addresses(&self, place: &Place) -> Result<String, String> {
        let ports: Result<Vec<u16>, String> = self.names().map(|(_, name)| port(place, &name)).collect();
        Ok(ports?.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(","))
    }

    /// The settings of one broker, with the reason where it is not plain.
    fn properties(&self, place: &Place, number: usize) -> Result<String, String> {
        let listener = port(place, &broker(number))?;
        let (proxied, outside) = (port(place, &self::proxied(number))?, port(place, &self::outside(number))?);
        let controller = port(place, &controller(number))?;
        let voters: Result<Vec<String>, String> = self
            .names()
            .map(|(number, _)| Ok(format!("{number}@127.0.0.1:{}", port(place, &self::controller(number))?)))
            .collect();
        // With three brokers one may be away; with one there is nobody to copy to.
        let (copies, in_sync) = if self.brokers == 3 { (3, 2) } else { (1, 1) };
        Ok(format!(
            "process.roles=broker,controller\n\
             node.id={number}\n\
             controller.quorum.voters={voters}\n\
             listeners=PLAINTEXT://127.0.0.1:{listener},CONTROLLER://127.0.0.1:{controller},\
             PROXIED://127.0.0.1:{proxied}\n\
             # A client is sent back to where a test's proxy listens.\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{listener},PROXIED://127.0.0.1:{outside}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT\n\
             log.dirs={data}\n\
             message.max.bytes={MESSAGE_BYTES}\n\
             replica.fetch.max.bytes={MESSAGE_BYTES}\n\
             auto.create.topics.enable=false\n\
             num.partitions=3\n\
             default.replication.factor={copies}\n\
             min.insync.replicas={in_sync}\n\
             offsets.topic.replication.factor={copies}\n\
             offsets.topic.num.partitions=3\n\
             transaction.state.log.replication.factor={copies}\n\
             transaction.state.log.min.isr={in_sync}\n\
             transaction.state.log.num.partitions=3\n\
             share.coordinator.state.topic.replication.factor={copies}\n\
             share.coordinator.state.topic.min.isr={in_sync}\n\
             # Nobody waits for members that will not come.\n\
             group.initial.rebalance.delay.ms=0\n",
            voters = voters?.join(","),
            data = self.data(place, number).display(),
        ))
    }

    /// One cluster's folders are not another's.
    fn data(&self, place: &Place, number: usize) -> PathBuf {
        place.data(&format!("kafka-of-{}", self.brokers)).join(number.to_string())
    }

    fn start(&self, place: &Place, number: usize, name: &str) -> Result<bool, String> {
        let data = self.data(place, number);
        let is_new = !data.join("meta.properties").exists();
        place::make(&data)?;
        let settings = data.with_extension("properties");
        place::write(&settings, &self.properties(place, number)?)?;
        if is_new {
            let mut format = Self::java(place)?;
            format.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]).arg(&settings);
            shell::quietly(&mut format)?;
        }
        process::start(place, name, Self::java(place)?.arg("kafka.Kafka").arg(&settings))?;
        Ok(is_new)
    }

    fn create_topics(&self, place: &Place) -> Result<(), String> {
        let addresses = self.addresses(place)?;
        for (topic, settings) in TOPICS {
            let mut create = Self::java(place)?;
            create.args(["org.apache.kafka.tools.TopicCommand", "--bootstrap-server", &addresses]);
            create.args(["--create", "--if-not-exists", "--topic", topic]).args(settings);
            shell::quietly(&mut create)?;
        }
        Ok(())
    }
}

impl Server for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn prepare(&self, place: &Place) -> Result<(), String> {
        needs("java", "-version", "`apt-get install openjdk-17-jre-headless` (17 or later)")?;
        let home = Self::home(place)?;
        install(&home, || {
            needs("mvn", "-version", "`apt-get install maven`")?;
            let plugin = "org.apache.maven.plugins:maven-dependency-plugin";
            let mut maven = shell::in_background("mvn");
            maven.args(["-q", "-B", "-f"]).arg(shell::root().join("tests/services/kafka/pom.xml"));
            maven.arg(format!("-Dkafka.version={}", version("KAFKA")?));
            maven.arg(format!("-Dlog4j.version={}", version("LOG4J")?));
            maven.arg(format!("{plugin}:{}:copy-dependencies", version("MAVEN_DEPENDENCY_PLUGIN")?));
            maven.arg(format!("-DoutputDirectory={}", home.join("lib").display()));
            shell::quietly(&mut maven)
        })
    }

    fn is_a_tool(&self) -> bool {
        true
    }

    fn up(&self, place: &Place) -> Result<(), String> {
        let absent: Vec<(usize, String)> =
            self.names().filter(|(_, name)| process::running(place, name).is_none()).collect();
        if !absent.is_empty() {
            self.claim_ports(place)?;
        }
        let mut is_new = false;
        for (number, name) in &absent {
            is_new |= self.start(place, *number, name)?;
        }
        for (_, name) in self.names() {
            process::wait_until_ready(place, &name, PATIENCE, || {
                metadata::ask(port(place, &name)?, self.brokers)
            })?;
        }
        if is_new { self.create_topics(place) } else { Ok(()) }
    }

    fn processes(&self) -> Vec<String> {
        self.names().map(|(_, name)| name).collect()
    }

    /// All of those that do not run, before the first starts: each broker is told of every other.
    fn claim_ports(&self, place: &Place) -> Result<(), String> {
        for (number, name) in self.names().filter(|(_, name)| process::running(place, name).is_none()) {
            for port in [name, controller(number), proxied(number), outside(number)] {
                place.claim_port(&port)?;
            }
        }
        Ok(())
    }

    fn probe(&self, place: &Place) -> Result<(), String> {
        self.names().try_for_each(|(_, name)| metadata::ask(port(place, &name)?, self.brokers))
    }

    fn exports(&self, place: &Place) -> Vec<Export> {
        let addresses = self.addresses(place).unwrap_or_default();
        let address = |name: String| Some(format!("127.0.0.1:{}", place.port(&name)?));
        let proxies: Vec<String> = (1..=self.brokers)
            .filter_map(|number| Some(format!("{}={}", address(outside(number))?, address(proxied(number))?)))
            .collect();
        let lib = Self::home(place).map(|home| home.join("lib").display().to_string()).unwrap_or_default();
        vec![
            ("REPLAY_TEST_KAFKA", addresses.clone()),
            // Where a proxy of a test has to listen, and what it has to forward to, for each broker.
            ("REPLAY_TEST_KAFKA_PROXIED", proxies.join(",")),
            ("REPLAY_TEST_KAFKA_LIB", lib),
            ("KAFKA_BROKERS", addresses),
        ]
    }
}

fn broker(number: usize) -> String {
    format!("kafka-{number}")
}

fn controller(number: usize) -> String {
    format!("kafka-controller-{number}")
}

/// Where a broker listens for clients that come by a proxy.
fn proxied(number: usize) -> String {
    format!("kafka-proxied-{number}")
}

/// Where that proxy listens: nobody's, until a test comes.
fn outside(number: usize) -> String {
    format!("kafka-outside-{number}")
}
