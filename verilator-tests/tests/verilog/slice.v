// A register slice for AXI-Stream: two places, all outputs registered, one beat a clock.
module slice #(parameter BYTES = 64) (
    input  wire               clock,
    input  wire               reset,
    input  wire               s_axis_tvalid,
    output wire               s_axis_tready,
    input  wire [8*BYTES-1:0] s_axis_tdata,
    input  wire [BYTES-1:0]   s_axis_tkeep,
    input  wire               s_axis_tlast,
    output reg                m_axis_tvalid,
    input  wire               m_axis_tready,
    output reg  [8*BYTES-1:0] m_axis_tdata,
    output reg  [BYTES-1:0]   m_axis_tkeep,
    output reg                m_axis_tlast
);
    reg               held;
    reg [8*BYTES-1:0] held_data;
    reg [BYTES-1:0]   held_keep;
    reg               held_last;
    wire              moves = !m_axis_tvalid || m_axis_tready;
    assign s_axis_tready = !held;

    always @(posedge clock) begin
        if (moves) begin
            m_axis_tvalid <= held || s_axis_tvalid;
            m_axis_tdata  <= held ? held_data : s_axis_tdata;
            m_axis_tkeep  <= held ? held_keep : s_axis_tkeep;
            m_axis_tlast  <= held ? held_last : s_axis_tlast;
            held          <= 1'b0;
        end else if (s_axis_tvalid && !held) begin
            held      <= 1'b1;
            held_data <= s_axis_tdata;
            held_keep <= s_axis_tkeep;
            held_last <= s_axis_tlast;
        end
        if (reset) begin
            m_axis_tvalid <= 1'b0;
            held          <= 1'b0;
        end
    end
endmodule
