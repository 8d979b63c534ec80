// What holds of the frames that leave, on the port of the whole card, or of a framer alone. Framer and last
// stage are as they are, but for bytes; all else says anything. Each output is a property that fails.
module claims (
    input wire clock,
    input wire reset_drawn,
    input wire m_axis_tready,
    output wire held_until_taken,
    output wire no_gap_in_a_frame,
    output wire silent_after_reset
);
    localparam BYTES = `BYTES;

    reg started = 0;
    always @(posedge clock) started <= 1;
    wire reset = reset_drawn | !started;

    wire [8 * BYTES - 1:0] m_axis_tdata;
    wire [BYTES - 1:0] m_axis_tkeep;
    wire m_axis_tlast, m_axis_tvalid;
    `BLOCK block (
        .clock(clock), .reset(reset),
        .m_axis_tdata(m_axis_tdata), .m_axis_tkeep(m_axis_tkeep), .m_axis_tlast(m_axis_tlast),
        .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready)
    );

    // Registers of the framer and of its last stage; see there.
    wire busy, is_dropped, valid_1, valid_2, valid_3, valid_4, last_1, last_2, last_3, last_4;
    wire may, sent, has_any;
    wire [4:0] owed, level;
    wire [3:0] read_index, write_index;

    // The clock before.
    wire [9 * BYTES:0] beat = {m_axis_tdata, m_axis_tkeep, m_axis_tlast};
    reg last_waits = 0, last_reset = 0;
    reg [9 * BYTES:0] last_beat = 0;
    // The last beat that was taken is not the last of its frame.
    reg in_frame = 0;
    // Of the four places on the way, and of the next one: whether it lies in a frame behind its first beat,
    // be there a beat in it or none. Of the last beat that came: whether it is the last of its frame.
    wire inside_0 = busy & !is_dropped;
    reg inside_1 = 0, inside_2 = 0, inside_3 = 0, inside_4 = 0, newest_is_last = 1;
    always @(posedge clock) begin
        last_waits <= m_axis_tvalid & !m_axis_tready & !reset;
        last_reset <= reset;
        last_beat <= beat;
        if (m_axis_tvalid & m_axis_tready) in_frame <= !m_axis_tlast;
        inside_1 <= inside_0;
        inside_2 <= inside_1;
        inside_3 <= inside_2;
        inside_4 <= inside_3;
        if (valid_4) newest_is_last <= last_4;
        if (reset) begin
            in_frame <= 0;
            inside_1 <= 0;
            inside_2 <= 0;
            inside_3 <= 0;
            inside_4 <= 0;
            newest_is_last <= 1;
        end
    end

    // Why there is no gap. A place in a frame may be empty only because nobody might set out, and then so
    // many beats wait that the last of them is still there when the next one comes.
    wire [5:0] waiting = level + m_axis_tvalid;
    wire [5:0] behind_3 = waiting + valid_4;
    wire [5:0] behind_2 = behind_3 + valid_3;
    wire [5:0] behind_1 = behind_2 + valid_2;
    wire [3:0] in_memory = write_index - read_index;
    wire is_counted = owed == behind_1 & sent == valid_1 & has_any == (level != 0) & level <= 16 &
        level[3:0] == in_memory & (m_axis_tvalid | !has_any);
    wire has_room = owed + valid_1 <= 17 & (!may | owed <= 15);
    wire is_filled = (!inside_0 | may | behind_2 >= 14) & (!inside_1 | valid_1 | behind_1 >= 13) &
        (!inside_2 | valid_2 | behind_2 >= 12) & (!inside_3 | valid_3 | behind_3 >= 11) &
        (!inside_4 | valid_4 | waiting >= 10);
    // Places of a frame lie side by side, behind its first beat and up to its last one.
    wire is_joined = (!inside_0 | valid_1 | inside_1) & (!inside_1 | valid_2 | inside_2) &
        (!inside_2 | valid_3 | inside_3) & (!inside_3 | valid_4 | inside_4) & (!inside_4 | m_axis_tvalid);
    wire goes_on = (valid_1 | inside_0 == inside_1) & (valid_2 | inside_1 == inside_2) &
        (valid_3 | inside_2 == inside_3) & (valid_4 | inside_3 == inside_4);
    wire ends = (!valid_1 | inside_0 != last_1) & (!valid_2 | inside_1 != last_2) &
        (!valid_3 | inside_2 != last_3) & (!valid_4 | inside_3 != last_4) & inside_4 != newest_is_last;
    wire has_reason = is_counted & has_room & is_filled & is_joined & goes_on & ends;

    assign held_until_taken = last_waits & (!m_axis_tvalid | beat != last_beat);
    // With its reason, because both together hold from each clock to the next.
    assign no_gap_in_a_frame = in_frame & !m_axis_tvalid | started & !has_reason;
    assign silent_after_reset = last_reset & m_axis_tvalid;
endmodule
