//! The exchange's questions and errands, put to the bus.

use super::hub::{CallsHandle, Input};
use signalling_bus::{self as bus, Bus, Error};
use signalling_switchboard::calls::{
    Answer, CallsOutbox, Change, Deed, Envelope, Facts, Notice, Party, Presence, Question, Seen,
    Settings, State, User, Verdict,
};
use tokio::sync::mpsc;

/// Errands that wait for the bus.
const ERRANDS_MAX: usize = 65_536;
/// People who are listed to somebody who watches everybody.
const PRESENT_MAX: usize = 500;

/// The way to the bus.
pub(super) struct Directory {
    bus: Bus,
    hub: CallsHandle,
    deeds: mpsc::Sender<Deed>,
    envelopes: mpsc::Sender<(String, Envelope)>,
}

impl Directory {
    /// Starts the tasks that carry out errands, each in order.
    pub(super) fn start(bus: Bus, hub: CallsHandle) -> Self {
        let (deeds, todo) = mpsc::channel(ERRANDS_MAX);
        let (envelopes, post) = mpsc::channel(ERRANDS_MAX);
        tokio::spawn(run_deeds(bus.clone(), hub.clone(), todo));
        tokio::spawn(run_post(bus.clone(), hub.clone(), post));

        Self { bus, hub, deeds, envelopes }
    }

    /// Puts a question; its answer comes to the hub. How many there are at once is bounded by the
    /// requests that each session may have unanswered.
    pub(super) fn ask(&self, number: u64, question: Question) {
        let (bus, hub) = (self.bus.clone(), self.hub.clone());
        tokio::spawn(async move {
            let answer = answer(&bus, question).await.unwrap_or_else(|error| match error {
                Error::Full(_) => Answer::Full,
                _ => Answer::Away,
            });
            hub.send(Input::Answer(number, answer)).await;
        });
    }

    /// Takes errands and messages along; how many there was no room for.
    pub(super) fn carry_out(&self, out: &mut CallsOutbox) -> usize {
        let deeds = out.deeds.drain(..).filter_map(|deed| self.deeds.try_send(deed).err());
        let lost = deeds.count();
        let envelopes = out.envelopes.drain(..);

        lost + envelopes.filter_map(|post| self.envelopes.try_send(post).err()).count()
    }
}

async fn run_deeds(bus: Bus, hub: CallsHandle, mut todo: mpsc::Receiver<Deed>) {
    while let Some(deed) = todo.recv().await {
        let done = match deed {
            Deed::Register { party, busy } => {
                let Party { session, device, name, user, .. } = party;
                let session = bus::Session { id: session, device, name, busy };
                bus.register(&of(&user), session).await
            }
            Deed::Remove(party) => bus.remove(&of(&party.user), &party.session).await,
            Deed::Follow(tenant) => bus.follow(&tenant).await,
            Deed::Unfollow(tenant) => bus.unfollow(&tenant).await,
            Deed::Hold(user, notice) => hold(&bus, &user, &notice).await,
            Deed::Publish(news) => {
                let tenant = news.user.tenant.clone();
                let envelope = Envelope::News(news);
                let told = bus.publish(&tenant, encode(&envelope)).await;
                hub.send(Input::Envelope(envelope)).await;
                told
            }
        };
        if let Err(error) = done {
            tracing::debug!(%error, "an errand of calls is not done");
        }
    }
}

async fn run_post(bus: Bus, hub: CallsHandle, mut post: mpsc::Receiver<(String, Envelope)>) {
    while let Some((node, envelope)) = post.recv().await {
        if bus.send(&node, encode(&envelope)).await.is_err() {
            hub.send(Input::Undelivered(envelope)).await;
        }
    }
}

async fn answer(bus: &Bus, question: Question) -> Result<Answer, Error> {
    match question {
        Question::Reach { callee, .. } => reach(bus, &callee).await,
        Question::Look { tenant, identities } => look(bus, &tenant, identities).await,
        Question::Settings { user, change } => {
            let Change { do_not_disturb, block, unblock } = change;
            let change = bus::Change { do_not_disturb, block, unblock };
            Ok(Answer::Settings(settings(bus.change(&of(&user), change).await?)))
        }
        Question::Welcome(user) => {
            let user = of(&user);
            let (known, held) = tokio::try_join!(bus.settings(&user), bus.notices(&user))?;
            let held = held.iter().filter_map(|notice| serde_json::from_str(&notice.body).ok());
            Ok(Answer::Welcome(settings(known), held.collect()))
        }
        Question::Seen(user, notice) => {
            bus.take_back(&of(&user), &notice).await.map(|_| Answer::Seen)
        }
    }
}

async fn reach(bus: &Bus, callee: &User) -> Result<Answer, Error> {
    let user = of(callee);
    let (places, known) = tokio::try_join!(bus.whereis(&user), bus.settings(&user))?;
    let party = |place: bus::Place| {
        let bus::Place { node, session } = place;
        let bus::Session { id, device, name, .. } = session;
        Party { node, session: id, device, user: callee.clone(), name }
    };
    let places = places.into_iter().map(party).collect();

    Ok(Answer::Reach(Facts { places, settings: settings(known), verdict: Verdict::None }))
}

async fn look(bus: &Bus, tenant: &str, identities: Option<Vec<String>>) -> Result<Answer, Error> {
    let (people, truncated) = match identities {
        Some(identities) => (bus.presence(tenant, &identities).await?, false),
        None => {
            let present = bus.present(tenant, PRESENT_MAX).await?;
            (present.users, present.truncated)
        }
    };
    let mut seen = Vec::with_capacity(people.len());
    for person in people {
        let known = bus.settings(&bus::User::new(tenant, &person.identity)).await?;
        let bus::Presence { identity, name, state } = person;
        let presence = Presence { identity, name, state: state_of(state) };
        seen.push(Seen { presence, blocked: known.blocked });
    }

    Ok(Answer::Look { seen, truncated })
}

async fn hold(bus: &Bus, user: &User, notice: &Notice) -> Result<(), Error> {
    // Texts and numbers always have a JSON form.
    let body = serde_json::to_string(notice).expect("a notice is JSON");
    let (id, expires_ms) = (notice.notice.clone(), notice.expires_ms);

    bus.hold(&of(user), bus::Notice { id, body, expires_ms }).await
}

fn encode(envelope: &Envelope) -> Vec<u8> {
    // Texts, numbers and flags always have a JSON form.
    serde_json::to_vec(envelope).expect("an envelope is JSON")
}

fn of(user: &User) -> bus::User {
    bus::User::new(&user.tenant, &user.identity)
}

fn settings(known: bus::Settings) -> Settings {
    let bus::Settings { do_not_disturb, blocked } = known;

    Settings { do_not_disturb, blocked }
}

fn state_of(state: bus::State) -> State {
    match state {
        bus::State::Online => State::Online,
        bus::State::Busy => State::Busy,
        bus::State::DoNotDisturb => State::DoNotDisturb,
        bus::State::Offline => State::Offline,
    }
}
