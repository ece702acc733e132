//! Publishes by WHIP (RFC 9725) and plays by WHEP (draft-ietf-wish-whep): an offer by HTTP, an
//! answer, and a session to delete.

use super::{Venue, http};
use crate::rtc::{Local, Offered, Remote};
use anyhow::{Context, Result, bail};
use std::time::Instant;
use tokio::sync::watch;

/// Joins, and stays until `stop` turns true.
pub(super) async fn attend(
    venue: &Venue,
    participant: usize,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let who = (participant, Instant::now());
    let (local, token) = (venue.local()?, venue.token(participant));
    let publishes = !venue.run.cast.participants[participant].sends.is_empty();
    let offered = if publishes { venue.offered(participant) } else { venue.wished() };
    let path = if publishes { "whip" } else { "whep" };
    let url = format!("http://{}/{path}/{}", venue.target.authority(), venue.room);
    let (answer, session) = offer(&url, &token, &local, &offered).await?;
    if publishes {
        venue.publish(who, local, &offered, &answer)?;
    } else {
        let remote = Remote::read(&answer).context("the server's answer")?;
        venue.subscribe(who, local, &remote, true)?;
    }
    // The other end lives as long as the run: an error means that it is over.
    let _ = stop.wait_for(|stop| *stop).await;
    http::request("DELETE", &session, &token, "").await?;

    Ok(())
}

/// Offers; the answer, and where the session is.
async fn offer(
    url: &str,
    token: &str,
    local: &Local,
    offered: &[Offered],
) -> Result<(String, String)> {
    let response = http::request("POST", url, token, &local.offer(offered)).await?;
    match response.status {
        201 => {}
        401 | 403 => bail!("{url} refused the token: {} {}", response.status, response.body.trim()),
        status => bail!("{url} refused the offer: {status} {}", response.body.trim()),
    }
    let location = response.location.with_context(|| format!("{url} named no session"))?;

    Ok((response.body, http::resolve(url, &location)))
}
