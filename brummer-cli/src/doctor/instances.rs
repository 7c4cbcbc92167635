//! Each instance as the hub has met it.

use brummer_hub::{hub::Snapshot, instance::InstanceState, process::owner_of_port};

use super::report::Report;

const SECTION: &str = "Instances";

pub(super) fn look(snapshot: &Snapshot, report: &mut Report) {
    if snapshot.instances.is_empty() {
        let advice = "`brummer-hub run SCRIPT` or `brummer-hub register --port PORT` announces one";
        report.note(SECTION, "none is running", Some(advice));
    }
    for instance in &snapshot.instances {
        let doorbell = &instance.found.doorbell;
        let status = instance.status();
        let mut about = format!(
            "{} {}, port {}, process {}",
            instance.alias, instance.state, doorbell.port, doorbell.pid
        );
        if let Some(era) = status.era {
            about += &format!(", MCP {} ({})", era.version(), era.name());
        }
        if let Some(latency) = status.latency_ms {
            about += &format!(", {latency:.1} ms");
        }
        if status.missed_pings > 0 {
            about += &format!(", {} pings missed", status.missed_pings);
        }
        if instance.state == InstanceState::Active {
            report.ok(SECTION, about);
            continue;
        }
        if let Some(error) = &status.last_error {
            about += &format!(": {error}");
        }
        let has_token = doorbell.token.is_some() || !doorbell.headers.is_empty();
        let refused = status.last_error.as_deref().and_then(|error| refused(error, has_token));
        if let Some(advice) = refused {
            report.problem(SECTION, about, advice);
            continue;
        }
        let advice = match owner_of_port(doorbell.host, doorbell.port) {
            None => {
                "nothing that this user may see listens on its port: wait for it, or start it anew".to_owned()
            }
            Some(owner) if owner == doorbell.pid => {
                format!(
                    "its process listens; is its MCP endpoint really at {}? (`register --endpoint`)",
                    doorbell.endpoint
                )
            }
            Some(owner) => format!(
                "its port belongs to process {owner}: its own process may be a parent of that, or has ended"
            ),
        };
        report.problem(SECTION, about, &advice);
    }
}

/// What to do about a server that lets nobody in.
fn refused(error: &str, has_token: bool) -> Option<&'static str> {
    let is_refused = ["HTTP status 401", "HTTP status 403"].iter().any(|status| error.contains(status));
    is_refused.then_some(if has_token {
        "it refuses the token or the headers of its announcement: announce it with those that it takes now \
         (`register --token-env VARIABLE`, `--token-file` or `--header-env`)"
    } else {
        "it wants a token, and its announcement has none: announce it with one (`register --token-env VARIABLE`, \
         `--token-file` or `--header-env`)"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_lets_nobody_in_wants_a_token() {
        for status in [401, 403] {
            let error = format!("the instance answered with HTTP status {status}: no");
            assert!(refused(&error, false).unwrap().contains("has none"));
            assert!(refused(&error, true).unwrap().contains("refuses the token"));
        }
        assert_eq!(refused("the instance answered with HTTP status 404: 401", false), None);
    }
}
