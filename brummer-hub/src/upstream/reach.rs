//! Where a connection goes, and what opens the door there.

use std::{net::IpAddr, path::PathBuf};

use crate::doorbell::Credentials;

/// Found out by the owner of the connection. The credentials are opaque: they go into the header of each request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    /// The loopback address that the instance is known to listen on. None: any of them may answer.
    pub(crate) address: Option<IpAddr>,
    /// The socket that it listens on instead of a port.
    pub(crate) socket: Option<PathBuf>,
    pub(crate) credentials: Credentials,
}
