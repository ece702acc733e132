//! Connections to whatever Redis there is.

use super::url::{Kind, RedisUrl};
use ::redis::aio::{ConnectionLike, MultiplexedConnection};
use ::redis::cluster::ClusterClient;
use ::redis::cluster_async::ClusterConnection;
use ::redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    Pipeline, RedisConnectionInfo, RedisFuture, RedisResult, TlsCertificates, TlsMode, Value,
};
use std::time::Duration;

/// Pauses between attempts of the Cluster's client to follow keys that move, milliseconds.
const CLUSTER_PAUSES_MS: (u64, u64) = (20, 400);
/// Commands that wait to be written to one connection.
const COMMANDS_MAX: usize = 1_024;

/// Makes connections.
pub(super) struct Connector {
    url: RedisUrl,
    /// Certificates that sign Redis's, PEM; `None`: the system's.
    ca: Option<Vec<u8>>,
    timeout: Duration,
}

/// A connection, or what a Cluster's client has of them; cheap to clone.
#[derive(Clone)]
pub(super) enum Line {
    /// To one server.
    One(MultiplexedConnection),
    /// To all of a Cluster.
    Cluster(ClusterConnection),
}

impl Connector {
    pub(super) fn new(url: RedisUrl, ca: Option<Vec<u8>>, timeout: Duration) -> Self {
        // The crate takes the process's provider; who came first has set the same one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();

        Self { url, ca, timeout }
    }

    /// A new connection. Commands on it may take as long as `patience`.
    pub(super) async fn connect(&self, patience: Duration) -> RedisResult<Line> {
        match &self.url.kind {
            Kind::Single => {
                let client = match self.certificates() {
                    Some(certificates) => {
                        Client::build_with_tls(self.info(&self.url.hosts[0])?, certificates)?
                    }
                    None => Client::open(self.info(&self.url.hosts[0])?)?,
                };
                let config = self.config(patience);
                let line = client.get_multiplexed_async_connection_with_config(&config).await?;
                Ok(Line::One(line))
            }
            Kind::Sentinel(name) => self.by_sentinels(name, patience).await,
            Kind::Cluster => self.cluster(patience).await,
        }
    }

    async fn by_sentinels(&self, name: &str, patience: Duration) -> RedisResult<Line> {
        let sentinels = self.url.hosts.iter().map(|host| self.address(host));
        let mut builder = SentinelClientBuilder::new(sentinels, name, SentinelServerType::Master)?;
        if self.url.tls {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = self.certificates() {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
        if let Some(user) = &self.url.user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = &self.url.password {
            builder = builder.set_client_to_redis_password(password);
        }
        let mut client = builder.build()?;
        let config = self.config(patience);

        Ok(Line::One(client.get_async_connection_with_config(&config).await?))
    }

    async fn cluster(&self, patience: Duration) -> RedisResult<Line> {
        let seeds: Vec<ConnectionInfo> =
            self.url.hosts.iter().map(|host| self.info(host)).collect::<RedisResult<_>>()?;
        let mut builder = ClusterClient::builder(seeds)
            .connection_timeout(self.timeout)
            .response_timeout(patience)
            .min_retry_wait(CLUSTER_PAUSES_MS.0)
            .max_retry_wait(CLUSTER_PAUSES_MS.1);
        if self.url.tls {
            builder = builder.tls(TlsMode::Secure);
        }
        if let Some(certificates) = self.certificates() {
            builder = builder.certs(certificates);
        }

        Ok(Line::Cluster(builder.build()?.get_async_connection().await?))
    }

    fn info(&self, host: &(String, u16)) -> RedisResult<ConnectionInfo> {
        let mut settings = RedisConnectionInfo::default().set_db(self.url.database);
        if let Some(user) = &self.url.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.url.password {
            settings = settings.set_password(password);
        }

        Ok(self.address(host).into_connection_info()?.set_redis_settings(settings))
    }

    fn address(&self, (host, port): &(String, u16)) -> ConnectionAddr {
        let (host, port) = (host.clone(), *port);
        if self.url.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        }
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        let root_cert = self.ca.clone().filter(|_| self.url.tls)?;

        Some(TlsCertificates { client_tls: None, root_cert: Some(root_cert) })
    }

    fn config(&self, patience: Duration) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(patience))
            .set_pipeline_buffer_size(COMMANDS_MAX)
    }
}

impl ConnectionLike for Line {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(line) => line.req_packed_command(cmd),
            Self::Cluster(line) => line.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(line) => line.req_packed_commands(pipeline, offset, count),
            Self::Cluster(line) => line.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(line) => line.get_db(),
            Self::Cluster(line) => line.get_db(),
        }
    }
}
