//! Datagrams that the kernel brings to the shards that they are for.

use crate::common::turn::allocate_on;
use crate::lab::{INTERFACES, Lab};
use crate::publisher::Publisher;

const PUBLISHERS: usize = 32;

/// Datagrams of each.
const EACH: usize = 50;

const FLOWS: &str = "millrace_relay_steering_flows";
const MISSED: &str = "millrace_relay_steering_missed";
const BY_FLOW: &str = "millrace_relay_steering_total{by=\"flow\"}";
const PLACED: &str = "millrace_relay_placing_total{by=\"flow\"}";
const HANDED_OVER: &str = "millrace_relay_handed_over_total{direction=\"out\"}";
const TAKEN_OVER: &str = "millrace_relay_handed_over_total{direction=\"in\"}";
const RECEIVED: &str = "millrace_relay_datagrams_total{direction=\"in\"}";

fn publishers(lab: &Lab) -> Vec<Publisher> {
    (0..PUBLISHERS).map(|room| Publisher::new(lab, room)).collect()
}

/// How many of the datagrams that all send are handed over.
fn handed_over(lab: &Lab, all: &[Publisher]) -> u64 {
    let (handed, received) = (lab.metric(HANDED_OVER), lab.metric(RECEIVED));
    for _ in 0..EACH {
        all.iter().for_each(Publisher::talk);
    }
    let sent = (all.len() * EACH) as u64;
    lab.until_it_is(RECEIVED, |now| now >= received + sent);

    lab.metric(HANDED_OVER) - handed
}

#[test]
fn nearly_nothing_is_handed_over_and_that_takes_no_xdp() {
    let lab = Lab::new();
    let sent = (PUBLISHERS * EACH) as u64;
    let mut service = lab.serve(&[]);
    let all = publishers(&lab);
    let off = handed_over(&lab, &all);
    assert!(off * 10 > sent, "by the kernel's hash {off} of {sent} come to a wrong shard");
    assert_eq!(lab.metric(FLOWS), 0, "nobody has asked for steering");
    service.signal("KILL");
    service.wait();

    let mut service = lab.serve(&["xdp.steer=true"]);
    assert!(!lab.is_attached());
    let all = publishers(&lab);
    lab.until(FLOWS, PUBLISHERS as u64);
    let on = handed_over(&lab, &all);
    println!("handed over of {sent}: {off} by hash, {on} with steering");
    assert!(on * 100 < sent, "{on} of {sent} came to a wrong shard");
    lab.until(BY_FLOW, sent);
    assert_eq!(lab.metric("millrace_relay_steering_total{by=\"check\"}"), PUBLISHERS as u64);

    let (left, stayed): (Vec<_>, Vec<_>) =
        all.into_iter().enumerate().partition(|(index, _)| index % 2 == 0);
    left.into_iter().for_each(|(_, publisher)| publisher.leave(&lab));
    lab.until(FLOWS, stayed.len() as u64);

    // A killed process leaves nothing: sockets, program and map go with it.
    service.signal("KILL");
    service.wait();
    let _service = lab.serve(&["xdp.steer=true"]);
    assert_eq!(lab.metric(FLOWS), 0);
    let all = publishers(&lab);
    lab.until(FLOWS, PUBLISHERS as u64);
    assert_eq!(handed_over(&lab, &all), 0);
}

#[test]
fn what_a_full_map_has_no_room_for_is_handed_over_until_there_is_some() {
    let lab = Lab::new();
    let _service = lab.serve(&["xdp.steer=true", "xdp.flows_max=4"]);
    let mut all = publishers(&lab);
    let without = PUBLISHERS as u64 - 4;
    lab.until(MISSED, without);
    assert_eq!(lab.metric(FLOWS), 4);
    assert_eq!(lab.metric("millrace_relay_steering_refused_total{reason=\"full\"}"), without);
    let handed = handed_over(&lab, &all);
    assert!(handed > 0);
    lab.until_it_is(TAKEN_OVER, |taken| taken == lab.metric(HANDED_OVER));

    all.split_off(4).into_iter().for_each(|publisher| publisher.leave(&lab));
    lab.until(MISSED, 0);
    lab.until(FLOWS, 4);
    assert_eq!(lab.metric("millrace_relay_steering_refused_total{reason=\"full\"}"), without);
    assert_eq!(handed_over(&lab, &all), 0);
}

#[test]
fn xdp_brings_datagrams_to_the_cpu_of_their_shard() {
    for mode in ["xdp.mode=driver", "xdp.mode=generic"] {
        let lab = Lab::new();
        let _service = lab.serve(&[INTERFACES, mode, "xdp.place=true"]);
        assert!(lab.is_attached());
        let all = publishers(&lab);
        lab.until(FLOWS, PUBLISHERS as u64);
        let sent = (PUBLISHERS * EACH) as u64;
        assert_eq!(handed_over(&lab, &all), 0, "sockets are steered where XDP is asked for");
        lab.until(PLACED, sent);
        assert_eq!(lab.metric("millrace_relay_placing_total{by=\"missing\"}"), 0);
    }
}

#[test]
fn the_flows_of_allocations_that_outlive_a_process_are_known_to_the_next() {
    let lab = Lab::new();
    let mut service = lab.start(&[]);
    let clients: Vec<_> = (0..8)
        .map(|index| allocate_on(lab.client(5_000 + index), "ann", "one").ok().unwrap())
        .collect();
    assert_eq!(lab.metric(FLOWS), 0, "the hash has chosen their shard, and will again");
    service.signal("KILL");
    service.wait();
    let _service = lab.start(&[]);
    lab.until(FLOWS, 8);
    let handed = lab.metric(HANDED_OVER);
    clients.iter().for_each(|client| assert_eq!(client.refresh(), Ok(())));
    lab.until_it_is(BY_FLOW, |steered| steered >= 8);
    assert_eq!(lab.metric(HANDED_OVER), handed);
    clients.iter().for_each(|client| assert_eq!(client.end(), Ok(())));
    lab.until(FLOWS, 0);
}

#[test]
fn steering_that_is_not_possible_is_refused_by_the_name_of_its_key() {
    let lab = Lab::new();
    let line = lab.refused(&["xdp.interface=[]", "xdp.place=true"]);
    assert!(line.contains("xdp.place: is true, but xdp.interface is not set"), "{line}");
    let line = lab.refused(&["xdp.steer=sometimes"]);
    assert!(line.contains("xdp.steer: \"sometimes\" is not"), "{line}");
    let line = lab.refused(&["xdp.flows_max=0"]);
    assert!(line.contains("xdp.flows_max: must be a whole number"), "{line}");

    let line = lab.refused_without_capabilities(&["xdp.interface=[]", "xdp.steer=true"]);
    let lacks = "xdp.steer: the process lacks CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF";
    assert!(line.contains(lacks), "{line}");
}
