//! A broker of one's own, to be stopped and started, with a port for users that may do nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test support fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tempfile::TempDir;

use crate::servers;

/// Any id does; each broker has a cluster of its own.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";

/// The user that may log in, and may do nothing else; the password is `right`.
pub const USER: &str = "nobody";

/// A broker. It ends with this.
pub struct Broker {
    lib: String,
    folder: TempDir,
    port: u16,
    sasl_port: u16,
    process: Option<Child>,
}

impl Broker {
    /// Starts one; `None` where its jars are not to be had.
    pub async fn start() -> Option<Self> {
        let lib = servers::address(servers::KAFKA_LIB)?;
        let folder = tempfile::tempdir().expect("a folder");
        let [port, sasl_port, controller_port] = [0; 3].map(|_| servers::quiet_port());
        let properties = properties(folder.path(), port, sasl_port, controller_port);
        fs::write(folder.path().join("server.properties"), properties).expect("a file");
        let mut this = Self { lib, folder, port, sasl_port, process: None };
        let format = this
            .java("kafka.tools.StorageTool")
            .args(["format", "--standalone", "-t", CLUSTER_ID, "-c"])
            .arg(this.folder.path().join("server.properties"))
            .status();
        assert!(format.expect("java").success(), "the broker's folder was not formatted");
        this.restart().await;
        Some(this)
    }

    /// Host and port of those who may do everything.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Host and port of those who must log in.
    pub fn sasl_address(&self) -> String {
        format!("127.0.0.1:{}", self.sasl_port)
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a kill");
            process.wait().expect("an end");
        }
    }

    /// Starts it again, and waits until it answers.
    pub async fn restart(&mut self) {
        let process =
            self.java("kafka.Kafka").arg(self.folder.path().join("server.properties")).spawn().expect("java");
        self.process = Some(process);
        let address = self.address();
        let answers = tokio::task::spawn_blocking(move || {
            let client: BaseConsumer =
                ClientConfig::new().set("bootstrap.servers", &address).create().expect("a client");
            (0..60).any(|_| {
                let asked = client.fetch_metadata(None, Duration::from_secs(2));
                asked.is_ok_and(|metadata| !metadata.brokers().is_empty())
            })
        });
        assert!(answers.await.expect("an answer"), "the broker does not answer");
    }

    fn java(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        command
            .args(["-Xmx256m", "-cp", &format!("{}/*", self.lib), class])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn properties(folder: &Path, port: u16, sasl_port: u16, controller_port: u16) -> String {
    let module = "org.apache.kafka.common.security.plain.PlainLoginModule";
    let data = folder.join("data");
    let data = data.display();
    format!(
        "process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl_port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl_port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config={module} required user_{USER}=\"right\";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
message.max.bytes=70000000
replica.fetch.max.bytes=70000000
auto.create.topics.enable=false
"
    )
}
