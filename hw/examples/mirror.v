// The core in a design of your own: a card that mirrors its neighbours' flows and has none itself.
//
// Enters and leaves: frames (AXI-Stream), registers (AXI4-Lite), and the host's word on who is who, which
// stays outside: paths, senders, roles. What only a card with flows of its own needs is tied off, and what
// the host would read is taken and dropped.
module mirror #(
    parameter MHZ = 125
) (
    input wire clock,
    input wire reset,
    output wire ready,
    output wire irq,

    input wire s_axil_awvalid,
    output wire s_axil_awready,
    input wire [11:0] s_axil_awaddr,
    input wire s_axil_wvalid,
    output wire s_axil_wready,
    input wire [31:0] s_axil_wdata,
    input wire [3:0] s_axil_wstrb,
    output wire s_axil_bvalid,
    input wire s_axil_bready,
    output wire [1:0] s_axil_bresp,
    input wire s_axil_arvalid,
    output wire s_axil_arready,
    input wire [11:0] s_axil_araddr,
    output wire s_axil_rvalid,
    input wire s_axil_rready,
    output wire [31:0] s_axil_rdata,
    output wire [1:0] s_axil_rresp,

    // From the MAC, without preamble and FCS; never refused.
    input wire [127:0] s_axis_tdata,
    input wire [15:0] s_axis_tkeep,
    input wire s_axis_tlast,
    input wire s_axis_tvalid,
    output wire s_axis_tready,
    // To the MAC: no gap inside a frame.
    output wire [127:0] m_axis_tdata,
    output wire [15:0] m_axis_tkeep,
    output wire m_axis_tlast,
    output wire m_axis_tvalid,
    input wire m_axis_tready,

    // A row of the table of paths: what it is, then the session that frames on it carry.
    input wire [3:0] path_index,
    input wire path_entry_valid,
    input wire [111:0] path_entry,
    input wire path_session_valid,
    input wire [31:0] path_session,
    // A sender: the sequences of its ports, then its session.
    input wire peer_session_valid,
    input wire peer_sequence_valid,
    input wire [6:0] peer_member,
    input wire peer_known,
    input wire [63:0] peer_number,
    // Who owns a bucket and who has its copies.
    input wire roles_valid,
    output wire roles_ready,
    input wire [9:0] roles_bucket,
    input wire [63:0] roles_word
);
    // Cluster time; a clock that others agree on is better.
    reg [63:0] time_us = 0;
    reg [9:0] tick = 0;
    wire tick_ends = tick == MHZ - 1;
    always @(posedge clock) begin
        tick <= tick_ends ? 10'd0 : tick + 10'd1;
        if (tick_ends) time_us <= time_us + 64'd1;
    end

    /* verilator lint_off PINCONNECTEMPTY */ // What is not read says so.
    card_128 card (
        .clock(clock),
        .reset(reset),
        .ready(ready),
        .irq(irq),
        .time_us(time_us),
        .s_axil_awvalid(s_axil_awvalid),
        .s_axil_awready(s_axil_awready),
        .s_axil_awaddr(s_axil_awaddr),
        .s_axil_wvalid(s_axil_wvalid),
        .s_axil_wready(s_axil_wready),
        .s_axil_wdata(s_axil_wdata),
        .s_axil_wstrb(s_axil_wstrb),
        .s_axil_bvalid(s_axil_bvalid),
        .s_axil_bready(s_axil_bready),
        .s_axil_bresp(s_axil_bresp),
        .s_axil_arvalid(s_axil_arvalid),
        .s_axil_arready(s_axil_arready),
        .s_axil_araddr(s_axil_araddr),
        .s_axil_rvalid(s_axil_rvalid),
        .s_axil_rready(s_axil_rready),
        .s_axil_rdata(s_axil_rdata),
        .s_axil_rresp(s_axil_rresp),
        .s_axis_tdata(s_axis_tdata),
        .s_axis_tkeep(s_axis_tkeep),
        .s_axis_tlast(s_axis_tlast),
        .s_axis_tvalid(s_axis_tvalid),
        .s_axis_tready(s_axis_tready),
        .s_axis_tuser(3'd0), // One port.
        .m_axis_tdata(m_axis_tdata),
        .m_axis_tkeep(m_axis_tkeep),
        .m_axis_tlast(m_axis_tlast),
        .m_axis_tvalid(m_axis_tvalid),
        .m_axis_tready(m_axis_tready),
        .path_index(path_index),
        .path_entry_valid(path_entry_valid),
        .path_entry(path_entry),
        .path_session_valid(path_session_valid),
        .path_session(path_session),
        .peer_session_valid(peer_session_valid),
        .peer_sequence_valid(peer_sequence_valid),
        .peer_member(peer_member),
        .peer_port(3'd0),
        .peer_known(peer_known),
        .peer_number(peer_number),
        .roles_valid(roles_valid),
        .roles_ready(roles_ready),
        .roles_bucket(roles_bucket),
        .roles_word(roles_word),
        .roles_set(8'd0),
        .roles_clear(8'd0),
        .roles_copy_set(8'd0),
        .roles_copy_clear(8'd0),

        // Nothing of its own: no flows, no records of the host, no jobs, no audit.
        .drop_valid(1'b0),
        .drop_ready(),
        .drop_destination(3'd0),
        .alone_valid(1'b0),
        .alone_ready(),
        .alone_path(4'd0),
        .alone_units(3'd0),
        .alone_data(512'd0),
        .command_valid(1'b0),
        .command_ready(),
        .command_kind(2'd0),
        .command_flags(4'd0),
        .command_word(1296'd0),
        .job_valid(1'b0),
        .job_ready(),
        .job_kind(2'd0),
        .job_bucket(10'd0),
        .job_copy(1'b0),
        .audit(8'd0),
        .is_auditing(1'b0),
        .floor(48'd0),
        .snapshot_sent(),
        .snapshot_bucket(),

        // What the host would be told.
        .host_tdata(),
        .host_tvalid(),
        .host_tready(1'b1),
        .event_tdata(),
        .event_tvalid(),
        .event_tready(1'b1),
        .out_valid(),
        .out_source(),
        .out_outcome(),
        .out_refusal(),
        .out_created(),
        .out_id(),
        .out_peer(),
        .out_sequence(),
        .out_entry(),
        .refuses()
    );
    /* verilator lint_on PINCONNECTEMPTY */
endmodule
