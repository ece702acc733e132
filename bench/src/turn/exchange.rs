//! Requests of many clients at once, with retransmission, credentials and clear refusals.

use super::client::{Client, Target, failed};
use super::stun::{Answer, Request};
use crate::net::datagrams::Receiver;
use crate::net::sockets::{readable, wait};
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Clients whose requests are on the way at one time.
const CHUNK: usize = 64;
/// Time after which a request by UDP is sent again (RFC 8489, section 6.2.1).
const RETRANSMIT: Duration = Duration::from_millis(500);
/// Time for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Challenged, then a stale nonce, then done.
const ATTEMPTS: usize = 3;

/// Lets every client make a request, and waits until all of them are granted.
pub(super) fn grant(
    target: &Target,
    clients: &mut [Client],
    request: impl Fn(usize) -> Request,
) -> Result<()> {
    let mut receiver = Receiver::new();
    for (number, chunk) in clients.chunks_mut(CHUNK).enumerate() {
        let request = |index| request(number * CHUNK + index);
        grant_chunk(target, chunk, &request, &mut receiver)?;
    }

    Ok(())
}

fn grant_chunk(
    target: &Target,
    clients: &mut [Client],
    request: &dyn Fn(usize) -> Request,
    receiver: &mut Receiver,
) -> Result<()> {
    let mut asking: Vec<usize> = (0..clients.len()).collect();
    for _ in 0..ATTEMPTS {
        let challenged: Vec<_> = clients.iter().map(|c| c.session.is_challenged()).collect();
        for &index in &asking {
            let client = &mut clients[index];
            client.answer = None;
            client.request = client.session.request(request(index));
            client.transmit().map_err(|error| failed(target, &error))?;
        }
        wait_for_answers(target, clients, receiver)?;
        asking.retain(|&index| is_to_ask_again(&clients[index], challenged[index]));
        if asking.is_empty() {
            break;
        }
    }
    for (index, client) in clients.iter_mut().enumerate() {
        match client.answer.take() {
            Some(Answer::Done(relayed)) => client.relayed = client.relayed.or(relayed),
            Some(Answer::Refused(code, reason)) => {
                let request = request(index).name();
                return Err(refused(target, request, code, &reason, client));
            }
            None => bail!("{} did not answer", target.server),
        }
    }

    Ok(())
}

/// Waits until every client has an answer; asks again by UDP where none came.
fn wait_for_answers(
    target: &Target,
    clients: &mut [Client],
    receiver: &mut Receiver,
) -> Result<()> {
    let began = Instant::now();
    let mut transmitted = began;
    let mut polls = Vec::with_capacity(clients.len());
    loop {
        polls.clear();
        polls.extend(clients.iter().filter(|c| c.answer.is_none()).map(readable));
        if polls.is_empty() {
            return Ok(());
        }
        wait(&mut polls, RETRANSMIT.saturating_sub(transmitted.elapsed()))?;
        let unanswered = clients.iter_mut().filter(|client| client.answer.is_none());
        for (client, poll) in unanswered.zip(&polls) {
            if poll.revents != 0 {
                client.receive(receiver).map_err(|error| failed(target, &error))?;
            }
        }
        if began.elapsed() > PATIENCE {
            bail!(
                "{} did not answer by {} within {} s: is it a TURN server, and is its port open?",
                target.server,
                target.transport.name(),
                PATIENCE.as_secs(),
            );
        }
        if transmitted.elapsed() >= RETRANSMIT {
            transmitted = Instant::now();
            let again = clients.iter_mut().filter(|c| c.answer.is_none() && !c.is_stream());
            for client in again {
                client.transmit().map_err(|error| failed(target, &error))?;
            }
        }
    }
}

/// Whether the answer is a challenge that the next request will meet.
fn is_to_ask_again(client: &Client, was_challenged: bool) -> bool {
    let code = match &client.answer {
        Some(Answer::Refused(code, _)) => *code,
        _ => return false,
    };

    client.session.is_challenged() && (code == 438 || code == 401 && !was_challenged)
}

fn refused(
    target: &Target,
    request: &str,
    code: u16,
    reason: &str,
    client: &Client,
) -> anyhow::Error {
    let Target { server, credentials, .. } = target;
    if code == 401 && client.session.is_challenged() {
        let user = credentials.as_ref().map_or("", |credentials| &credentials.user);
        return anyhow::anyhow!(
            "wrong credentials: {server} refuses user \"{user}\" (401 {reason}); check --user and \
             --pass, or --secret"
        );
    }
    if code == 401 {
        return anyhow::anyhow!("{server} wants credentials: give --user and --pass, or --secret");
    }

    anyhow::anyhow!("{server} refuses {request}: {code} {reason}")
}
