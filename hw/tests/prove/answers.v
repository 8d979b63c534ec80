// What holds of the answers of a card to its driver. The registers are as they are; the counters and all
// else say anything. Each output is a property that fails.
module claims (
    input wire clock,
    input wire reset_drawn,
    input wire bready,
    input wire rready,
    output wire write_answer_is_held,
    output wire read_answer_is_held
);
    reg started = 0;
    always @(posedge clock) started <= 1;
    wire reset = reset_drawn | !started;

    wire bvalid, rvalid;
    wire [1:0] bresp, rresp;
    wire [31:0] rdata;
    card_512 block (
        .clock(clock), .reset(reset),
        .s_axil_bvalid(bvalid), .s_axil_bready(bready), .s_axil_bresp(bresp),
        .s_axil_rvalid(rvalid), .s_axil_rready(rready), .s_axil_rdata(rdata), .s_axil_rresp(rresp)
    );

    // The clock before.
    reg last_b = 0, last_r = 0;
    reg [1:0] last_bresp = 0, last_rresp = 0;
    reg [31:0] last_rdata = 0;
    always @(posedge clock) begin
        last_b <= bvalid & !bready & !reset;
        last_bresp <= bresp;
        last_r <= rvalid & !rready & !reset;
        last_rresp <= rresp;
        last_rdata <= rdata;
    end

    assign write_answer_is_held = last_b & (!bvalid | bresp != last_bresp);
    assign read_answer_is_held = last_r & (!rvalid | rresp != last_rresp | rdata != last_rdata);
endmodule
