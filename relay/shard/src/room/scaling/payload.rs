//! Layers by payload descriptors, where there is no other.

use super::cell::{ALL, Cell, Frame, TOP, cells, from};
use relay_wire::{vp8, vp9};

/// VP8 has temporal layers only (RFC 7741, section 4.2).
pub(super) fn vp8(descriptor: &vp8::Descriptor, keyframe: bool) -> Frame {
    let first = descriptor.is_frame_start();
    let Some(temporal) = descriptor.temporal_id else { return Frame::plain(keyframe, first) };
    let wanted = cells(0x0f, from(temporal));
    let mut frame = Frame {
        wanted,
        starts: if keyframe { ALL } else { 0 },
        switches: 0,
        from: wanted,
        layers: Cell { spatial: 0, temporal },
        first,
        ends: None,
    };
    if descriptor.layer_sync && first && temporal > 0 {
        // It builds on the lowest layer only. One step at a time: what comes between was not
        // promised to be independent of what is missing.
        frame.switches = cells(0x0f, 1 << temporal);
        frame.from = cells(0x0f, from(temporal - 1));
    }

    frame
}

/// VP9 (RFC 9628, section 4.2); `several`: it has more than one spatial layer.
pub(super) fn vp9(descriptor: &vp9::Descriptor, several: bool) -> Frame {
    let Some(layers) = descriptor.layers else {
        return Frame::plain(descriptor.is_keyframe(), descriptor.start);
    };
    let (spatial, temporal) = (layers.spatial.min(TOP), layers.temporal.min(TOP));
    let own = 1 << spatial;
    let above = if descriptor.not_referenced { own } else { from(spatial) };
    let wanted = cells(above, from(temporal));
    let (mut starts, mut switches) = (0, 0);
    if descriptor.start && descriptor.inter_picture {
        let higher = if layers.switching_up { from(temporal) } else { 1 << temporal };
        switches = cells(own, higher);
    } else if descriptor.start {
        switches = wanted;
        starts = if spatial > 0 && layers.inter_layer { 0 } else { wanted };
    }
    let layers = Cell { spatial, temporal };
    let ends = (descriptor.end && several).then_some(spatial);

    Frame { wanted, starts, switches, from: wanted, layers, first: descriptor.start, ends }
}
