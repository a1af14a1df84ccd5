use crate::{Host, Instance};
use std::{io, sync::Arc};
use tokio::net::TcpStream;

/// Asks an instance whether it lives, by connecting to it: for a
/// [`Follower::probe`](crate::Follower::probe).
///
/// A machine that is gone refuses or does not answer; one that listens may
/// still be ill, which is its breaker's affair, not discovery's.
///
/// ```no_run
/// use kit_sd::{Follower, probe_tcp};
/// # fn follow<I: kit_sd::Instancer>(instancer: I) {
/// let watch = Follower::new(instancer).probe(probe_tcp).spawn();
/// # }
/// ```
pub async fn probe_tcp(instance: Arc<Instance>) -> bool {
    connect(&instance).await.is_ok()
}

async fn connect(instance: &Instance) -> io::Result<TcpStream> {
    let port = instance.address.port();
    match instance.address.host() {
        Host::Ip(ip) => TcpStream::connect((*ip, port)).await,
        Host::Name(name) => TcpStream::connect((&**name, port)).await,
    }
}
