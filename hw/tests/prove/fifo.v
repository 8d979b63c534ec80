// What holds of a queue of four words, in its first clock a reset, whatever its registers held before.
// Each output is a property that fails.
module claims (
    input wire clock,
    input wire reset_drawn,
    input wire mark,
    input wire [1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    input wire m_axis_tready,
    output wire order,
    output wire nothing_from_nothing,
    output wire no_more_than_places,
    output wire nothing_taken_in_reset,
    output wire held_until_taken,
    output wire comes_out_in_two,
    output wire takes_while_there_is_room,
    output wire count_is_right
);
    localparam PLACES = 5;

    reg started = 0;
    always @(posedge clock) started <= 1;
    wire reset = reset_drawn | !started;

    wire s_axis_tready, m_axis_tvalid;
    wire [1:0] m_axis_tdata;
    wire [2:0] count;
    fifo block (
        .clock(clock), .reset(reset),
        .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready),
        .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready),
        .count(count)
    );

    wire enters = s_axis_tvalid & s_axis_tready;
    wire leaves = m_axis_tvalid & m_axis_tready;
    reg [3:0] inside = 0;
    wire is_silent = started & inside != 0 & !m_axis_tvalid;
    // A word drawn from all that ever enter, and how many words are before it.
    reg is_marked = 0;
    reg [1:0] marked = 0;
    reg [3:0] before = 0;
    // The clock before.
    reg last_waits = 0, last_silent = 0;
    reg [1:0] last_tdata = 0;

    always @(posedge clock) begin
        inside <= inside + {3'b0, enters} - {3'b0, leaves};
        if (is_marked) begin
            if (leaves) before <= before - 1;
            if (leaves && before == 0) is_marked <= 0;
        end else if (enters && mark) begin
            is_marked <= 1;
            marked <= s_axis_tdata;
            before <= inside - {3'b0, leaves};
        end
        last_waits <= m_axis_tvalid & !m_axis_tready & !reset;
        last_tdata <= m_axis_tdata;
        last_silent <= is_silent & !reset;
        if (reset) begin
            inside <= 0;
            is_marked <= 0;
        end
    end

    assign order = started & is_marked & m_axis_tvalid & before == 0 & m_axis_tdata != marked;
    assign nothing_from_nothing = started & m_axis_tvalid & inside == 0;
    assign no_more_than_places = started & inside > PLACES;
    assign nothing_taken_in_reset = reset & s_axis_tready;
    assign held_until_taken = last_waits & (!m_axis_tvalid | m_axis_tdata != last_tdata);
    assign comes_out_in_two = last_silent & is_silent;
    assign takes_while_there_is_room = started & !reset & inside < PLACES - 1 & !s_axis_tready;
    assign count_is_right = started & {1'b0, count} != inside - {3'b0, m_axis_tvalid};
endmodule
