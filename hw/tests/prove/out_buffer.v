// What holds of the last stage of a framer, in its first clock a reset, whatever its registers held before,
// and whatever sets out and comes. Its sixteen places leave counts of beats open; tests show those. Each
// output is a property that fails.
module claims (
    input wire clock,
    input wire reset_drawn,
    input wire send,
    input wire in_valid,
    input wire in_data,
    input wire in_last,
    input wire [2:0] in_units,
    input wire m_axis_tready,
    output wire held_until_taken,
    output wire silent_after_reset
);
    reg started = 0;
    always @(posedge clock) started <= 1;
    wire reset = reset_drawn | !started;

    wire may_send, m_axis_tvalid, m_axis_tdata, m_axis_tlast;
    wire [7:0] m_axis_tkeep;
    out_buffer block (
        .clock(clock), .reset(reset), .send(send), .may_send(may_send),
        .in_valid(in_valid), .in_data(in_data), .in_last(in_last), .in_units(in_units),
        .m_axis_tdata(m_axis_tdata), .m_axis_tkeep(m_axis_tkeep), .m_axis_tlast(m_axis_tlast),
        .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready)
    );

    // The clock before.
    wire [9:0] beat = {m_axis_tdata, m_axis_tkeep, m_axis_tlast};
    reg last_waits = 0, last_reset = 0;
    reg [9:0] last_beat = 0;
    always @(posedge clock) begin
        last_waits <= m_axis_tvalid & !m_axis_tready & !reset;
        last_reset <= reset;
        last_beat <= beat;
    end

    assign held_until_taken = last_waits & (!m_axis_tvalid | beat != last_beat);
    assign silent_after_reset = last_reset & (m_axis_tvalid | may_send);
endmodule
