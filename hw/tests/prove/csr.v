// What holds of the registers behind AXI4-Lite, in their first clock a reset, whatever they held before.
// A narrow copy: two words that hold what is written, the second one write only, one that the engine says,
// two counters. Each output is a property that fails.
module claims (
    input wire clock,
    input wire reset_drawn,
    input wire awvalid,
    input wire [11:0] awaddr,
    input wire wvalid,
    input wire [31:0] wdata,
    input wire [3:0] wstrb,
    input wire bready,
    input wire arvalid,
    input wire [11:0] araddr,
    input wire rready,
    input wire [1:0] clear,
    input wire [31:0] said,
    input wire [31:0] raise,
    input wire counter_ready,
    input wire counter_done_drawn,
    input wire [63:0] counter_value,
    output wire write_answers_only_what_came,
    output wire write_is_answered,
    output wire write_answer_is_held,
    output wire read_answers_only_what_came,
    output wire read_is_answered,
    output wire read_answer_is_held,
    output wire no_second_address,
    output wire no_second_read,
    output wire nothing_taken_in_reset,
    output wire nothing_written_in_reset,
    output wire changes_only_when_written,
    output wire refused_changes_nothing,
    output wire reserved_is_refused,
    output wire counter_is_asked_until_taken,
    output wire counter_is_asked_for_a_read
);
    reg started = 0;
    always @(posedge clock) started <= 1;
    wire reset = reset_drawn | !started;

    wire awready, wready, bvalid, arready, rvalid, interrupt, counter_valid;
    wire [1:0] bresp, rresp, written;
    wire [31:0] rdata, refused;
    wire [63:0] values;
    wire [6:0] counter;
    // The counters answer what was taken, and nothing else.
    reg waits = 0;
    wire counter_done = counter_done_drawn & waits;
    csr block (
        .clock(clock), .reset(reset),
        .s_axil_awvalid(awvalid), .s_axil_awready(awready), .s_axil_awaddr(awaddr),
        .s_axil_wvalid(wvalid), .s_axil_wready(wready), .s_axil_wdata(wdata), .s_axil_wstrb(wstrb),
        .s_axil_bvalid(bvalid), .s_axil_bready(bready), .s_axil_bresp(bresp),
        .s_axil_arvalid(arvalid), .s_axil_arready(arready), .s_axil_araddr(araddr),
        .s_axil_rvalid(rvalid), .s_axil_rready(rready), .s_axil_rdata(rdata), .s_axil_rresp(rresp),
        .values(values), .written(written), .clear(clear), .said(said), .raise(raise),
        .interrupt_waits(interrupt), .counter_valid(counter_valid), .counter_ready(counter_ready),
        .counter(counter), .counter_done(counter_done), .counter_value(counter_value), .refused(refused)
    );

    // Taken and not answered.
    reg [1:0] addresses = 0, data = 0, reads = 0;
    // Clocks for which both halves of a write, or a read, wait without an answer; one of a counter may.
    reg [2:0] write_age = 0, read_age = 0;
    // The address of the write that waits.
    reg [9:0] word = 0;
    // The clock before.
    reg last_reset = 0, last_b = 0, last_r = 0, last_b_new = 0, last_asks = 0;
    reg [1:0] last_bresp = 0, last_rresp = 0, last_clear = 0;
    reg [31:0] last_rdata = 0;
    reg [63:0] last_values = 0;
    reg [6:0] last_counter = 0;

    always @(posedge clock) begin
        addresses <= addresses + {1'b0, awvalid & awready} - {1'b0, bvalid & bready};
        data <= data + {1'b0, wvalid & wready} - {1'b0, bvalid & bready};
        reads <= reads + {1'b0, arvalid & arready} - {1'b0, rvalid & rready};
        write_age <= addresses != 0 & data != 0 & !bvalid ? write_age + 1 : 0;
        read_age <= reads != 0 & !rvalid & !counter_valid & !waits ? read_age + 1 : 0;
        if (awvalid & awready) word <= awaddr[11:2];
        if (counter_valid & counter_ready) waits <= 1;
        if (counter_done) waits <= 0;
        last_reset <= reset;
        last_b <= bvalid & !bready & !reset;
        last_bresp <= bresp;
        last_b_new <= bvalid;
        last_r <= rvalid & !rready & !reset;
        last_rresp <= rresp;
        last_rdata <= rdata;
        last_clear <= clear;
        last_values <= values;
        last_asks <= counter_valid & !counter_ready & !reset;
        last_counter <= counter;
        if (reset) begin
            addresses <= 0;
            data <= 0;
            reads <= 0;
            write_age <= 0;
            read_age <= 0;
            waits <= 0;
        end
    end

    // Words 0x40 and 0x180 hold what is written, 0x148 are the interrupts.
    wire is_declared = word == 10'h10 | word == 10'h60 | word == 10'h52;
    wire first = bvalid & !last_b_new;
    assign write_answers_only_what_came = started & bvalid & (addresses == 0 | data == 0);
    assign write_is_answered = write_age > 2;
    assign write_answer_is_held = last_b & (!bvalid | bresp != last_bresp);
    assign read_answers_only_what_came = started & rvalid & reads == 0;
    assign read_is_answered = read_age > 2;
    assign read_answer_is_held = last_r & (!rvalid | rresp != last_rresp | rdata != last_rdata);
    // No more than the one that is answered and the next one.
    assign no_second_address = started & addresses > 2;
    assign no_second_read = started & reads > 1;
    assign nothing_taken_in_reset = reset & (awready | wready | arready);
    assign nothing_written_in_reset = last_reset & (values != 0 | written != 0 | bvalid | rvalid);
    assign changes_only_when_written =
        started & !last_reset & values != last_values & written == 0 & last_clear == 0;
    assign refused_changes_nothing = started & first & bresp != 0 & written != 0;
    assign reserved_is_refused = started & first & addresses == 1 & (bresp != 0) == is_declared;
    assign counter_is_asked_until_taken = last_asks & (!counter_valid | counter != last_counter);
    assign counter_is_asked_for_a_read = started & counter_valid & (reads == 0 | rvalid);
endmodule
