//! Where a shard and `turn-server-proto` answer differently, and why ours is as it is.

use super::both::Both;
use super::world::{address, peer, peer_v6};
use relay_wire::stun::{Family, Method, attribute};

/// Why, the error codes (ours, theirs; 0 for success), and what was asked last.
type Difference = (&'static str, [u16; 2], fn(&mut Both) -> [u16; 2]);

const DIFFERENCES: &[Difference] = &[
    ("RFC 8656, 7.2: what is not UDP is not supported; they have RFC 6062", [442, 400], |both| {
        both.ask(1, Method::ALLOCATE, &|writer| {
            writer.requested_transport(6);
        })
    }),
    ("RFC 8656, 7.2: a family that is not known is not supported", [440, 400], |both| {
        both.ask(1, Method::ALLOCATE, &|writer| {
            writer.requested_transport(17).requested_address_family(Family::Other(7));
        })
    }),
    ("RFC 8656, 8.2: nor has an allocation an address of it", [443, 0], |both| {
        both.ask(0, Method::REFRESH, &|writer| {
            writer.requested_address_family(Family::Other(7));
        })
    }),
    ("RFC 8489, 9.2.4: a malformed attribute is a bad request", [400, 0], |both| {
        both.ask(0, Method::REFRESH, &|writer| {
            writer.attribute(attribute::LIFETIME, &[0; 3]);
        })
    }),
    ("RFC 8656, 12.2: a number is of one peer", [400, 0], |both| {
        for number in [1, 2] {
            let codes = both.ask(0, Method::CHANNEL_BIND, &|writer| {
                writer.channel_number(0x4000).xor_peer_address(peer(number));
            });
            if number == 2 {
                return codes;
            }
            assert_eq!(codes, [0, 0]);
        }
        unreachable!("two were bound")
    }),
    ("Order: the number is looked at before the family of its peer", [400, 443], |both| {
        let allocated = both.ask(1, Method::ALLOCATE, &|writer| {
            writer.requested_transport(17);
        });
        assert_eq!(allocated, [0, 0]);
        both.ask(1, Method::CHANNEL_BIND, &|writer| {
            writer.channel_number(0x3fff).xor_peer_address(peer_v6(1));
        })
    }),
    ("RFC 8656, 9.2: peers in special-purpose ranges are refused", [403, 0], |both| {
        both.ask(0, Method::CREATE_PERMISSION, &|writer| {
            writer.xor_peer_address(address("10.0.0.1:9"));
        })
    }),
    ("RFC 8656, 7.2: a token that was not given; they ignore tokens", [508, 0], |both| {
        both.ask(1, Method::ALLOCATE, &|writer| {
            writer.requested_transport(17).reservation_token(b"made up!");
        })
    }),
    ("RFC 8656, 7.2: EVEN-PORT and a second family exclude each other with R only", [0, 400], {
        |both| {
            both.ask(1, Method::ALLOCATE, &|writer| {
                writer.requested_transport(17).even_port(false);
                writer.additional_address_family(Family::V6);
            })
        }
    }),
    ("RFC 8656, 7.2: a request that comes again is answered as before", [0, 437], |both| {
        let again = both.clients[1].clone().map(|mut client| {
            client.request(Method::ALLOCATE, |writer| {
                writer.requested_transport(17);
            })
        });
        assert_eq!(both.send_both(1, [&again[0], &again[1]], false), [0, 0]);
        both.send_both(1, [&again[0], &again[1]], false)
    }),
    ("RFC 8489, 6.3.1: what is unknown is refused before all else", [420, 437], |both| {
        both.ask(0, Method::ALLOCATE, &|writer| {
            writer.requested_transport(17).attribute(0x7ffe, b"what");
        })
    }),
    ("A bare request of 20 bytes gets no more than 40 back", [400, 401], |both| {
        both.send_bare(1, Method::ALLOCATE, &|_| {})
    }),
    ("A method that is not served is refused to anybody, whoever asks", [400, 401], |both| {
        both.send_bare(1, Method(0x0a), &|writer| {
            writer.requested_transport(17);
        })
    }),
];

#[test]
fn differences_are_as_they_are_listed() {
    for (why, expected, ask) in DIFFERENCES {
        let mut both = Both::allocated();

        assert_eq!(ask(&mut both), *expected, "{why}");
    }
}
