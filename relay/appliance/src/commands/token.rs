//! `millrace token create`.

use crate::access::Access;
use crate::cli::TokenArgs;
use crate::config::{Config, ConfigError};
use signalling_server::token::{Claims, Grants, mint};
use std::time::{SystemTime, UNIX_EPOCH};

/// Prints a token that a server with this configuration takes.
pub(super) fn create(config: &Config, args: &TokenArgs) -> anyhow::Result<()> {
    let access = Access::of(config)?;
    let key = args.key.as_deref().unwrap_or_else(|| access.signer());
    let Some(secret) = access.secret(key) else {
        let names: Vec<_> = access.keys.keys().map(String::as_str).collect();
        let problem = format!("no API key \"{key}\"; there is {}", names.join(", "));
        return Err(ConfigError::Contradiction { key: "--key", problem }.into());
    };
    for (key, value) in [("--identity", &args.identity), ("--room", &args.room)] {
        if value.is_empty() {
            let problem = "must not be empty".to_owned();
            return Err(ConfigError::Contradiction { key, problem }.into());
        }
    }

    let claims = Claims {
        sub: args.identity.clone(),
        name: args.name.clone(),
        video: Grants {
            room_join: true,
            room: args.room.clone(),
            room_admin: args.admin,
            can_publish: Some(args.can_publish),
            can_subscribe: Some(args.can_subscribe),
            can_publish_data: Some(args.can_publish_data),
            can_update_own_metadata: Some(true),
            ..Grants::default()
        },
        ..Claims::default()
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    println!("{}", mint(&claims, key, secret.as_bytes(), now, args.ttl.as_secs()));

    Ok(())
}
