//! Where users are, what they have set, what is held for them.

use super::keys;
use super::member::{Shared, lock};
use super::nodes::Alive;
use crate::Error;
use crate::users::{Change, Notice, Place, Presence, Present, Session, Settings, User};
use crate::users::{with_notice, without_notice};
use ::redis::{AsyncCommands, pipe};
use futures_util::future::try_join_all;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

/// How often somebody else may be quicker to change what one user has.
const TRIES_MAX: usize = 256;
/// A notice is not held longer, whatever it says: 400 days, milliseconds.
const NOTICE_LIFE_MAX_MS: u64 = 400 * 24 * 3_600_000;

/// The sessions of a user as they stand in Redis: node → incarnation and sessions.
type Fields = HashMap<String, String>;

impl Shared {
    pub(crate) async fn whereis(&self, user: &User) -> Result<Vec<Place>, Error> {
        let fields: Fields =
            self.line.run(async |mut line| line.hgetall(keys::sessions(user)).await).await?;
        let alive = self.alive(self.others(fields.keys())).await?;

        Ok(self.places(user, &fields, &alive))
    }

    pub(crate) async fn presence(
        &self,
        tenant: &str,
        identities: &[String],
    ) -> Result<Vec<Presence>, Error> {
        let users: Vec<User> =
            identities.iter().map(|identity| User::new(tenant, identity)).collect();
        let asked = self.line.run(async |line| {
            try_join_all(users.iter().map(|user| {
                let mut line = line.clone();
                let mut commands = pipe();
                commands.hgetall(keys::sessions(user)).get(keys::settings(user));
                async move { commands.query_async(&mut line).await }
            }))
            .await
        });
        let found: Vec<(Fields, Option<String>)> = asked.await?;
        let alive = self.alive(self.others(found.iter().flat_map(|(f, _)| f.keys()))).await?;

        let presence = |(user, (fields, settings)): (&User, &(Fields, Option<String>))| {
            let settings: Settings = parsed(settings.as_deref().unwrap_or_default())?;
            Ok(Presence::of(&user.identity, &self.places(user, fields, &alive), &settings))
        };
        users.iter().zip(&found).map(presence).collect()
    }

    pub(crate) async fn present(&self, tenant: &str, max: usize) -> Result<Present, Error> {
        let mut alive = self.all_alive().await?;
        alive.remove(&self.name);
        let asked = self.line.run(async |line| {
            try_join_all(alive.iter().map(|(name, (incarnation, _))| {
                let mut line = line.clone();
                let listed = keys::present(tenant, name, incarnation);
                async move { line.srandmember_multiple(listed, max as isize + 1).await }
            }))
            .await
        });
        let elsewhere: Vec<Vec<String>> = asked.await?;
        let mut identities: BTreeSet<String> = elsewhere.into_iter().flatten().collect();
        let here = lock(&self.local).identities(tenant);
        identities.extend(here);

        let truncated = identities.len() > max;
        let listed: Vec<String> = identities.into_iter().take(max).collect();
        let mut users = self.presence(tenant, &listed).await?;
        users.retain(|presence| presence.state != crate::State::Offline);

        Ok(Present { users, truncated })
    }

    pub(crate) async fn settings(&self, user: &User) -> Result<Settings, Error> {
        Ok(self.read(&keys::settings(user)).await?.1)
    }

    pub(crate) async fn change(&self, user: &User, change: Change) -> Result<Settings, Error> {
        self.update(&keys::settings(user), |settings: Settings| {
            let after = settings.changed(&change)?;
            Ok((after.clone(), (after, 0)))
        })
        .await
    }

    pub(crate) async fn hold(&self, user: &User, notice: Notice) -> Result<(), Error> {
        self.update(&keys::notices(user), |notices: Vec<Notice>| {
            let held = with_notice(&notices, notice.clone(), unix_ms());
            let life = life_ms(&held);
            Ok(((), (held, life)))
        })
        .await
    }

    pub(crate) async fn notices(&self, user: &User) -> Result<Vec<Notice>, Error> {
        let (_, notices): (_, Vec<Notice>) = self.read(&keys::notices(user)).await?;

        Ok(without_notice(&notices, "", unix_ms()))
    }

    pub(crate) async fn take_back(&self, user: &User, notice: &str) -> Result<bool, Error> {
        self.update(&keys::notices(user), |notices: Vec<Notice>| {
            let good = without_notice(&notices, "", unix_ms());
            let left = without_notice(&good, notice, unix_ms());
            let life = life_ms(&left);
            Ok((left.len() < good.len(), (left, life)))
        })
        .await
    }

    /// Reads a text and what it means; what is not there is empty, and means the default.
    async fn read<T: DeserializeOwned + Default>(&self, key: &str) -> Result<(String, T), Error> {
        let found: Option<String> = self.line.run(async |mut line| line.get(key).await).await?;
        let found = found.unwrap_or_default();
        let value = parsed(&found)?;

        Ok((found, value))
    }

    /// Changes a text, again when somebody else was quicker. `change` gives the result, and what
    /// is to stand there for so many milliseconds (0: for good).
    async fn update<T, R>(
        &self,
        key: &str,
        change: impl Fn(T) -> Result<(R, (T, i64)), Error>,
    ) -> Result<R, Error>
    where
        T: DeserializeOwned + Serialize + Default + PartialEq,
    {
        let changed = async {
            for _ in 0..TRIES_MAX {
                let (before, value) = self.read::<T>(key).await?;
                let (result, (after, life_ms)) = change(value)?;
                let text = if after == T::default() { String::new() } else { text(&after)? };
                if self.swap(key, &before, &text, life_ms).await? {
                    return Ok(result);
                }
            }
            Err(Error::Away)
        };

        tokio::time::timeout(self.timings.deadline, changed).await.unwrap_or(Err(Error::Away))
    }

    /// The nodes that Redis must be asked about: not this one.
    fn others<'a>(&self, names: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
        names.filter(|name| **name != self.name).cloned().collect()
    }

    fn places(&self, user: &User, fields: &Fields, alive: &Alive) -> Vec<Place> {
        let mut places: Vec<Place> = lock(&self.local).places(&self.name, user).collect();
        for (node, field) in fields.iter().filter(|(node, _)| **node != self.name) {
            let Ok((of, sessions)) = serde_json::from_str::<(String, Vec<Session>)>(field) else {
                continue;
            };
            if alive.get(node).is_some_and(|(incarnation, _)| *incarnation == of) {
                let place = |session| Place { node: node.clone(), session };
                places.extend(sessions.into_iter().map(place));
            }
        }
        places.sort_by(|one, other| one.node.cmp(&other.node));

        places
    }
}

fn parsed<T: DeserializeOwned + Default>(text: &str) -> Result<T, Error> {
    if text.is_empty() {
        return Ok(T::default());
    }

    serde_json::from_str(text).map_err(|_| Error::Garbled("settings or notices"))
}

fn text(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|_| Error::Garbled("settings or notices"))
}

fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();

    now.as_millis() as u64
}

/// Until the last of the notices has expired, milliseconds.
fn life_ms(notices: &[Notice]) -> i64 {
    let last = notices.iter().map(|notice| notice.expires_ms).max().unwrap_or_default();

    last.saturating_sub(unix_ms()).clamp(1, NOTICE_LIFE_MAX_MS) as i64
}
